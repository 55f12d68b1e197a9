"""Command line of `./tmrl demo`."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from tmrl_bringup.arguments import simulated_rigs
from tmrl_bringup.options import LABEL_MODES, METHODS


@dataclass(frozen=True)
class DemoOptions:
    """What was asked for on the command line.

    Attributes:
        rig: Name of a simulated rig.
        method: One of `METHODS`.
        episodes: Longest session, in episodes.
        seed: Of layouts, exploration and learning.
        until_success: The session ends early when the success rate over the last 20 episodes
            reaches this, of every arm; None for no early end.
        arms: How many arms there are, which all fill the replay buffer of one learner.
        sigma: That of every chunk with method fixed-sigma; None for 1.
        observe: "state": the policy is shown where the objects are; "cameras": pictures.
        label: "auto" or "manual".
        real_time: The arm takes as long as a real one, so that a person can watch, label and drive.
        headless: Plain lines instead of the live view.
        json: Where to write a copy of report.json.
        run_dir: Directory of the run; None for a new one below runs/.
        resume: Resume what is in run_dir.
        video: Whether to draw the video at the end.
        overrides: Further parameters, each "part.key:=value".
    """

    rig: str
    method: str
    episodes: int
    seed: int
    until_success: float | None
    arms: int
    sigma: float | None
    observe: str
    label: str
    real_time: bool
    headless: bool
    json: Path | None
    run_dir: Path | None
    resume: bool
    video: bool
    overrides: list[str]


OBSERVED = ("state", "cameras")
_MOST_ARMS = 8
_DESCRIPTION = """\
Fine-tunes a frozen context-smoothed policy on a simulated WidowX 250 at a task that it fails:
demonstrations always put the carrot into the pot, now it must be the sausage. Real ROS 2 nodes,
real DDS, a real policy server and a real learner, each a process of its own."""

_EPILOG = """\
examples:
  ./tmrl demo                                  learn until 150 episodes are over
  ./tmrl demo --until-success 0.9              stop when 18 of the last 20 episodes succeeded
  ./tmrl demo --method dsrl --seed 3           steer a plain behaviour-cloning policy instead
  ./tmrl demo --method fixed-sigma --sigma 1   steer z alone, every chunk at the marginal
  ./tmrl demo --rig franka_sim                 a Franka presses buttons, in joint velocities
  ./tmrl demo --observe cameras                look at the objects through two cameras
  ./tmrl demo --arms 2                         two arms, one learner
  ./tmrl demo --label manual                   you label, on the page that it prints
  ./tmrl demo --run-dir runs/mine --resume     resume a session that was interrupted
  ./tmrl demo controller.sigma_cap:=0.5        the same with another parameter"""


def parse(argv: list[str]) -> DemoOptions:
    """Parses the command line.

    Raises:
        SystemExit: Help was asked for, or an option is unknown or out of range.
    """
    parser = argparse.ArgumentParser(
        prog="./tmrl demo",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    rigs = [f"{name}_sim" for name in simulated_rigs()]
    add("--rig", choices=rigs, default="widowx_sim", help="default: widowx_sim")
    add("--method", choices=METHODS, default="tmrl", help="what learns (default: tmrl)")
    add("--episodes", type=int, default=150, metavar="N", help="at most N (default: 150)")
    add("--seed", type=int, default=0, metavar="S", help="default: 0")
    add("--until-success", type=float, metavar="RATE", help="stop at this rate over the last 20")
    add("--arms", type=int, default=1, metavar="N", help="so many, one learner (default: 1)")
    add("--sigma", type=float, metavar="X", help="of method fixed-sigma (default there: 1)")
    add(
        "--observe",
        choices=OBSERVED,
        default="state",
        help="what the policy sees: where the objects are, or the cameras' pictures "
        "(default: state)",
    )
    add("--label", choices=LABEL_MODES, default="auto", help="who labels (default: auto)")
    add(
        "--real-time",
        action="store_true",
        help="the arm takes as long as a real one, for whoever drives it (with --label manual: on)",
    )
    add("--headless", action="store_true", help="plain lines instead of the live view")
    add("--json", type=Path, metavar="FILE", help="also write the report's JSON there")
    add("--run-dir", type=Path, metavar="DIR", help="default: a new one below runs/")
    add("--resume", action="store_true", help="resume the session in --run-dir")
    add("--no-video", dest="video", action="store_false", help="leave the video out")
    add("overrides", nargs="*", metavar="PART.KEY:=VALUE", help="further parameters")
    # So that options may stand among overrides.
    parsed = parser.parse_intermixed_args(argv)
    if parsed.episodes < 1:
        parser.error(f"--episodes is {parsed.episodes}; it must be at least 1")
    if parsed.until_success is not None and not 0 < parsed.until_success <= 1:
        parser.error(f"--until-success is {parsed.until_success}; it must lie in (0, 1]")
    if not 1 <= parsed.arms <= _MOST_ARMS:
        parser.error(f"--arms is {parsed.arms}; it must lie between 1 and {_MOST_ARMS}")
    if parsed.sigma is not None and parsed.method != "fixed-sigma":
        parser.error(f"--sigma goes with --method fixed-sigma; {parsed.method} has its own")
    if parsed.sigma is not None and not 0 <= parsed.sigma <= 1:
        parser.error(f"--sigma is {parsed.sigma}; it must lie in [0, 1]")
    if parsed.resume and parsed.run_dir is None:
        parser.error("--resume needs --run-dir DIR, the directory of the session to resume")
    parsed.real_time = parsed.real_time or parsed.label == "manual"
    return DemoOptions(**vars(parsed))
