"""The offline data of a run: whether they are this policy's, and how the session gets them."""

import logging
import threading
from pathlib import Path

from tmrl_common.transitions import Transition, check
from tmrl_common.types import PolicySpec
from tmrl_learner.errors import LearnerError
from tmrl_learner.offline_data import STEM, OfflineData, load_offline
from tmrl_learner.run_config import RunConfig
from tmrl_learner.session import LearnerSession

_log = logging.getLogger(__name__)
_AGAIN = "make them again with ./tmrl import and this policy server"
_HASH_SHOWN = 12


def read_offline(config: RunConfig) -> OfflineData | None:
    """The offline data that a run names; None where it names none.

    Raises:
        LearnerError: There are none, or they were cut into segments of another length.
        CheckpointError: They are damaged.
    """
    if not config.offline_data:
        return None
    folder = Path(config.offline_data)
    if not (folder / f"{STEM}.json").is_file():
        raise LearnerError(
            f"offline_data is {folder}, which holds no {STEM}.json: give a folder that ./tmrl "
            "import has finished; the same command continues a half-finished one"
        )
    data = load_offline(folder / STEM)
    if data.origin.execute_steps != config.execute_steps:
        raise LearnerError(
            f"{folder} (offline_data) has segments of {data.origin.execute_steps} steps, and the "
            f"chunks of this run are {config.execute_steps} (execute_steps) long: import the data "
            "again for this rig"
        )
    return data


def judge_offline(data: OfflineData, folder: str, spec: PolicySpec) -> None:
    """Refuses data that were made for another policy than the one served.

    Args:
        data: The data.
        folder: Where they are, for the sentence.
        spec: What the policy server serves.

    Raises:
        LearnerError: Names what differs.
    """
    segments = data.segments
    ours = {
        "policy_version": data.origin.policy_version,
        "action_space": data.origin.action_space,
        "action_dim": segments.actions.shape[2],
        "features_dim": segments.features.shape[1],
    }
    for name, value in ours.items():
        if value != (served := getattr(spec, name)):
            raise LearnerError(
                f"{folder} (offline_data) was made with {name} = {_shown(value)}, and the policy "
                f"server serves {_shown(served)}: {_AGAIN}"
            )


def _shown(value: object) -> str:
    """A value for a sentence; of a hash its beginning."""
    text = str(value)
    return text[:_HASH_SHOWN] if len(text) == 64 else text


def add_offline(
    session: LearnerSession, data: OfflineData, folder: str, stop: threading.Event
) -> bool:
    """Puts the data into the replay buffer, with the latents of hindsight where it is on.

    The search takes the time of many forward passes per segment.

    Args:
        session: Without a checkpoint yet.
        data: The data.
        folder: Where they are, for the sentence.
        stop: Ends the search.

    Returns:
        Whether it came to its end.

    Raises:
        LearnerError: Nothing of the data can be learned from.
        InvalidTransitionError: A segment holds a number that is out of range.
    """
    found: list[Transition] = []
    for segment in data.transitions():
        if stop.is_set():
            return False
        check(segment)
        found.append(segment if session.hindsight is None else session.hindsight.explain(segment))
    try:
        used = session.replay.load_offline_transitions(found)
    except LearnerError as error:
        limits = session.config.hindsight
        why = (
            f": none of {limits.candidates} latents (hindsight.candidates) comes within "
            f"{limits.tolerance:g} (hindsight.tolerance) of any of its segments; raise one of them"
            if session.hindsight is not None and found
            else ""
        )
        raise LearnerError(f"{folder} (offline_data): {error}{why}") from error
    _log.info("offline data: %d of %d segments of %s", used, len(found), folder)
    return True
