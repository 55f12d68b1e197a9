"""Whether first weights are a start for what is to be trained."""

from pathlib import Path

from tmrl_common.errors import ConfigError
from tmrl_policies.pi0.config import Pi0Config, kind_named
from tmrl_policies.pi0.fitness import without_memory
from tmrl_policies.pi0.inputs.record import read_record
from tmrl_policies.pi0.sizes import read_sizes
from tmrl_policies.pi0.weights import judge_weights
from tmrl_policies.pi0.weights_file import find_weights


def judge_start(model: Pi0Config, weights: Path) -> None:
    """Refuses first weights that do not fit, before anything else is read.

    Args:
        model: What is to be trained.
        weights: A weights file, or its folder.

    Raises:
        CheckpointError: There are none, they are damaged, or a tensor does not fit.
        ConfigError: They are of another kind; names the setting.
    """
    refuse_other_kind(model, weights)
    judge_weights(without_memory(model), weights)


def refuse_other_kind(model: Pi0Config, weights: Path) -> None:
    """Refuses first weights of another generation, or whose prefix was taken otherwise.

    Plain weights may be smoothed, and smoothed ones trained on. The tensors of both look alike, so
    only a record beside them says what they are.

    Args:
        model: What is to be trained.
        weights: A weights file, or its folder.

    Raises:
        CheckpointError: There are none, or they are damaged.
        ConfigError: They do not fit; names the setting.
    """
    file = find_weights(weights)
    pi05 = read_sizes(file).pi05
    if pi05 != model.pi05:
        fitting = kind_named(pi05=pi05, context_smoothing=model.context_smoothing)
        raise ConfigError(
            f"kind is '{model.kind}', and the weights in {file} are of "
            f"{'pi0.5' if pi05 else 'pi0'}, as their tensors show; give --kind {fitting}"
        )
    record = read_record(file.parent)
    if record is None or not (record.config.context_smoothing and model.context_smoothing):
        return
    recorded = record.config.prefix_rms
    if recorded != model.prefix_rms:
        raise ConfigError(
            f"model.prefix_rms is {str(model.prefix_rms).lower()}, and the weights in {file} were "
            f"smoothed with {str(recorded).lower()}; give --set "
            f"model.prefix_rms={str(recorded).lower()}"
        )
