"""Whether a session's learner needs the policy server to hand out candidates, and how many."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tmrl_bringup.rig import Rig, RigError, path_in_rig
from tmrl_common.candidates import MAX_CANDIDATES

_OF_DSRL_NA = 16
"""As many as learn like a copy of the policy (docs/results/interventions.md)."""
_HINDSIGHT = "hindsight.candidates="


def candidate_settings(
    rig: Rig, method: str, checkpoint: object
) -> Mapping[str, Mapping[str, Any]]:
    """Parameters by part that have the agent ask for candidates, and the learner expect them.

    Empty where the learner needs to know nothing of the policy, or can load a copy of it. A number
    that the rig gives, for the agent or the learner, decides for both.

    Args:
        rig: The rig.
        method: Of the session.
        checkpoint: Of the policy that is served, as the rig has it.

    Raises:
        RigError: More are asked for than a server hands out.
    """
    searched = _searched(rig.parts["learning"].get("overrides", []))
    if method == "base" or not (method == "dsrl_na" or searched):
        return {}
    given = [rig.parts[part].get("candidates") for part in ("agent", "learning")]
    count = next((each for each in given if each is not None), None)
    if count is None:
        if _can_be_copied(rig, checkpoint):
            return {}
        count = _OF_DSRL_NA if method == "dsrl_na" else searched
    if isinstance(count, int) and count > MAX_CANDIDATES:
        raise RigError(
            f"{count} candidates are asked for (hindsight.candidates in learning.overrides, or "
            f"agent.candidates), and the server of a policy that cannot be copied hands out at "
            f"most {MAX_CANDIDATES} for each observation: ask for fewer"
        )
    asked = {"candidates": count}
    purpose = "chunks" if method == "dsrl_na" else "people"
    return {"agent": {**asked, "candidates_for": purpose}, "learning": asked} if count else {}


def _searched(overrides: object) -> int:
    """Candidates of hindsight that the learner's settings ask for; 0 where it is off."""
    entries = overrides if isinstance(overrides, Sequence) else ()
    found = [str(each).removeprefix(_HINDSIGHT) for each in entries if _HINDSIGHT in str(each)]
    # What is no number, the learner's own checks refuse.
    return int(found[-1]) if found and found[-1].isdecimal() else 0


def _can_be_copied(rig: Rig, checkpoint: object) -> bool:
    """Whether it is a small flow policy; where the folder is on another machine, the rig tells."""
    if not isinstance(checkpoint, str):
        return True
    folder = Path(path_in_rig(checkpoint))
    is_flow = (folder / "policy.safetensors").is_file()
    return is_flow or (not folder.exists() and "dino" not in rig.parts["policy_server"])
