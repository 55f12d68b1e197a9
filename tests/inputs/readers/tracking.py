"""A mode of wandb and its variables: `given` has `wandb` and `environment`."""

from pathlib import Path
from typing import Any

from tmrl_common.errors import ConfigError
from tmrl_learner.tracking.config import TrackingConfig, wandb_mode

from ..reading import Answer, Outcome


def read(given: dict[str, Any], _folder: Path) -> Answer:
    """The mode that a run has in the end."""
    try:
        configured = TrackingConfig(wandb=given["wandb"]).wandb
    except ConfigError as error:
        return Answer(Outcome.REFUSED, str(error))
    return Answer(Outcome.TAKEN, f"mode {wandb_mode(configured, given.get('environment', {}))}")
