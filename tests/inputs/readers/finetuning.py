"""Changes to the settings of fine-tuning, as `finetune-pi0 --set KEY=VALUE` gives them."""

from pathlib import Path

from tmrl_common.errors import ConfigError
from tmrl_learner.pi0.config import finetune_config

from ..reading import Answer, Outcome


def read(given: dict[str, str], folder: Path) -> Answer:
    """The answer to changes of the settings for the rig `bridge`."""
    del folder
    try:
        config = finetune_config("bridge", model="tiny", overrides=given)
    except ConfigError as error:
        return Answer(Outcome.REFUSED, str(error))
    return Answer(Outcome.TAKEN, str(config.to_mapping()))
