"""Changes to a preset of the learner, as `--set KEY=VALUE` gives them."""

from pathlib import Path

from tmrl_common.errors import ConfigError
from tmrl_learner.config import resolve

from ..reading import Answer, Outcome


def read(given: dict[str, str], folder: Path) -> Answer:
    """The answer to changes of the preset `widowx_sim`."""
    del folder
    try:
        config = resolve("widowx_sim", overrides=given)
    except ConfigError as error:
        return Answer(Outcome.REFUSED, str(error))
    return Answer(Outcome.TAKEN, str(config.to_mapping()))
