"""The command line of `./tmrl import`."""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from tmrl_agent.params import AgentConfig
from tmrl_agent.session import connect
from tmrl_bringup.rig import Rig, RigError, available, parse_overrides
from tmrl_bringup.rig_checks import judge, node_parameters, sections_of, usable_values
from tmrl_bringup.up import propose
from tmrl_common.errors import TmrlError
from tmrl_common.types import PolicySpec
from tmrl_learner.offline_data import OfflineData, OfflineOrigin
from tmrl_run.errors import RunError
from tmrl_run.importing.data_set import DemonstrationSet
from tmrl_run.importing.encoding import Encoder, encoded
from tmrl_run.importing.half_finished import HalfFinished
from tmrl_run.importing.segments import cut, rows_after_a_gap

_DESCRIPTION = """\
Makes offline data for the learner of the demonstrations in a LeRobot data set (versions 2.x and 3):
each episode is cut into segments as long as the rig's chunks, and the policy server encodes what
was seen between them, as it does in a session. Interrupted, the same command continues with the
next episode. Columns: observation.state, action, observation.images.CAMERA, and
observation.environment_state for a policy that is given the positions of objects."""
_WELCOME_S = 10.0
_INTERRUPTED = 130


@dataclass(frozen=True)
class Importer:
    """What an import works with.

    Attributes:
        data: The data set.
        agent: What the rig's agent observes, and how long its chunks are.
        rate_hz: Control steps per second.
        kept: What is done so far.
    """

    data: DemonstrationSet
    agent: AgentConfig
    rate_hz: float
    kept: HalfFinished

    def origin(self, spec: PolicySpec) -> OfflineOrigin:
        """What is made of what, for which policy.

        Raises:
            RunError: Its chunks are shorter than the rig's.
        """
        steps = self.agent.execute_steps
        if steps > spec.horizon:
            raise RunError(
                f"agent.execute_steps is {steps}, and the policy served makes chunks of "
                f"{spec.horizon} steps: lower it"
            )
        return OfflineOrigin(
            data_set=self.data.root.resolve().name,
            data_sha256=self.data.sha256,
            policy_version=spec.policy_version,
            action_space=spec.action_space,
            execute_steps=steps,
            control_rate_hz=self.rate_hz,
            prompt=self.agent.prompt,
        )

    def run(self, origin: OfflineOrigin, server: Encoder) -> None:
        """Adds every episode that is not there yet.

        Raises:
            TmrlError: The data set is damaged, the server does not answer, or the disk refuses.
        """
        finished = set(self.kept.numbers)
        episodes = self.data.read(lambda number: number not in finished)
        total = len(self.data.episodes)
        for demonstration in tqdm(episodes, total=total, desc="encoding", unit="episode"):
            if demonstration is None:
                continue
            segments = cut(
                len(demonstration.rows.state),
                origin.execute_steps,
                demonstration.outcome,
                begins=rows_after_a_gap(demonstration.stamp_s, self.rate_hz),
                driver=demonstration.driver,
            )
            if segments:
                steps = origin.execute_steps
                found = encoded(self.data, demonstration, segments, steps, server)
                self.kept.add(demonstration.number, OfflineData(origin, found))


def main(argv: list[str]) -> int:
    """Imports a data set.

    Returns:
        0; 130 where it was interrupted.

    Raises:
        TmrlError: It cannot be imported; the text says why.
    """
    parsed = _parser().parse_intermixed_args(argv)
    kept = HalfFinished(parsed.out)
    agent, rate_hz = _settings(parsed.rig, parsed.server, parsed.overrides)
    flag: bool = parsed.all_successful
    data = DemonstrationSet(parsed.data_set, agent, rate_hz, all_successful=flag)
    importer = Importer(data, agent, rate_hz, kept)
    try:
        origin = _encode_all(importer)
    except KeyboardInterrupt:
        sys.stderr.write(f"\n{_kept(kept)}\n")
        return _INTERRUPTED
    segments = kept.finish(origin)
    episodes = len(set(segments.episode.tolist()))
    left_out = len(data.episodes) - episodes
    beside = f" ({left_out} episodes gave none)" if left_out else ""
    sys.stdout.write(
        f"{parsed.out}: {len(segments)} segments of {episodes} episodes{beside}; for a session: "
        f"learning.offline_data:={parsed.out.resolve()}\n"
    )
    return 0


def _encode_all(importer: Importer) -> OfflineOrigin:
    with connect(importer.agent, client="import") as server:
        try:
            spec = server.connect(deadline_s=_WELCOME_S).spec
        except TmrlError as error:
            raise RunError(
                f"policy server at {importer.agent.server}: {error}; start it, for example with "
                "./tmrl up RIG parts:=policy_server"
            ) from error
        origin = importer.origin(spec)
        importer.kept.begin(origin)
        try:
            importer.run(origin, server)
        except TmrlError as error:
            if not importer.kept.numbers:
                raise
            raise RunError(f"{error}; {_kept(importer.kept)}") from error
    return origin


def _kept(kept: HalfFinished) -> str:
    count = len(kept.numbers)
    return f"{count} finished episodes are kept in {kept.out}, and the same command continues"


def _settings(rig_name: str, server: str, overrides: list[str]) -> tuple[AgentConfig, float]:
    """What the rig's agent observes, and the control steps per second.

    Raises:
        RunError: The rig is unknown, or lacks a value; names it.
    """
    try:
        changes = parse_overrides(overrides)
        if server:
            changes["policy_server.endpoint"] = server
        rig: Rig = propose(rig_name, changes).rig
        judge(rig, ("agent",))
        agent = AgentConfig(**node_parameters(rig, "agent"))
    except RigError as error:
        raise RunError(str(error)) from error
    rate_hz = usable_values(sections_of(rig, ("controller",)))["controller"].get("control_rate_hz")
    if rate_hz is None:
        raise RunError(f"{rig.file}: controller.control_rate_hz is missing; give the data's rate")
    return agent, rate_hz


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="./tmrl import",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    rigs = f"{', '.join(available())}, or the path of your own file (*.yaml)"
    parser.add_argument("format", choices=("lerobot",))
    parser.add_argument("data_set", metavar="DATA_SET", type=Path, help="its folder")
    parser.add_argument("out", metavar="OUT", type=Path, help="folder to be made")
    parser.add_argument("--rig", required=True, help=f"of the session to come: {rigs}")
    parser.add_argument(
        "--server", default="", metavar="ENDPOINT", help="of the policy server (default: the rig's)"
    )
    parser.add_argument(
        "--all-successful",
        action="store_true",
        help="every episode solved the task, where the data set does not say",
    )
    parser.add_argument("overrides", nargs="*", metavar="KEY:=VALUE", help="as of ./tmrl up")
    return parser
