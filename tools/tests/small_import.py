"""What the tests of `./tmrl import` share: a small run's data set, a rig that fits, an import."""

from dataclasses import replace
from pathlib import Path

from tmrl_common.messages import Encode
from tmrl_common.testing.fake_policy_server import FakePolicyServer
from tmrl_common.testing.message_examples import EXAMPLE_SPEC
from tmrl_common.types import Observation, Outcome
from tmrl_learner.offline_data import STEM, OfflineSegments, load_offline
from tmrl_run.importing.cli import main
from tmrl_run.lerobot.cli import main as export
from tmrl_run.testing import FIELDS, STEPS, SmallRun, write_small_run

OBJECTS = ("carrot", "sausage")
SPEC = replace(
    EXAMPLE_SPEC,
    action_space="bridge_delta_ee_7",
    action_dim=7,
    horizon=8,
    proprio_dim=len(FIELDS),
    context_dim=len(OBJECTS),
    cameras=(),
)
OF_RIG = {
    "agent.proprio_fields": f"[{', '.join(FIELDS)}]",
    "agent.context_objects": f"[{', '.join(f'{name}.x' for name in OBJECTS)}]",
    "agent.execute_steps": str(STEPS),
}


def rig(**changes: str) -> tuple[str, ...]:
    """The simulated rig with what the small run observes; changes are keys of the agent."""
    values = OF_RIG | {f"agent.{key}": value for key, value in changes.items()}
    return ("--rig", "widowx_sim", *(f"{key}:={value}" for key, value in values.items()))


RIG = rig()
RUN = SmallRun(
    outcomes=(Outcome.SUCCESS, Outcome.TIMEOUT, Outcome.DISCARDED, Outcome.ABORTED),
    objects=OBJECTS,
)


def exported_run(tmp_path: Path) -> Path:
    """A data set of episodes 1, 2 and 4 of a run, which have the numbers 0, 1 and 2 there."""
    export(["lerobot", str(write_small_run(tmp_path / "run", RUN)), str(tmp_path / "set")])
    return tmp_path / "set"


def imported(data_set: Path, out: Path, server: str, *arguments: str) -> OfflineSegments:
    assert main(["lerobot", str(data_set), str(out), "--server", server, *arguments]) == 0
    return load_offline(out / STEM).segments


def seen(server: FakePolicyServer) -> list[Observation]:
    """What the server was asked to encode; nothing else was asked of it."""
    assert all(isinstance(request, Encode) for request in server.requests)
    return [request.observation for request in server.requests if isinstance(request, Encode)]
