"""Options of a session that reach several parts at once: method, seed, run directory, labels."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from tmrl_bringup.candidates import candidate_settings
from tmrl_bringup.parts import UPLINK, part_of
from tmrl_bringup.rig import Rig, RigError, nearest, path_in_rig
from tmrl_common.algorithms import method_names
from tmrl_common.arm_drivers import DriverError, find_driver

METHODS = method_names()
LABEL_MODES = ("auto", "manual")


@dataclass(frozen=True)
class SessionOptions:
    """What distinguishes one session from another on the same rig.

    Attributes:
        run_dir: Directory of the run; its name is the name of the session.
        method: "tmrl", "dsrl" (z only, on plain behaviour cloning), "fixed-sigma" (z only, on the
            smoothed policy at one sigma), "base" (no learning), or the name of an installed
            algorithm.
        seed: Of layouts, exploration and learning.
        label: "auto" (ground truth labels) or "manual" (a person labels through the service);
            empty for auto in simulation, which knows the truth, and manual on hardware.
        max_episodes: The session stops after that many; 0 for no end.
        sigma: That of every chunk with method fixed-sigma; None for the largest of the preset.
        log_dir: Directory of the processes' logs; None for `logs` in the run directory.
    """

    run_dir: Path
    method: str = "tmrl"
    seed: int = 0
    label: str = ""
    max_episodes: int = 0
    sigma: float | None = None
    log_dir: Path | None = None

    def __post_init__(self) -> None:
        """Refuses unknown methods and label modes.

        Raises:
            RigError: Names the valid ones.
        """
        if self.method not in METHODS:
            raise RigError(f"unknown method {self.method}; {nearest(self.method, [*METHODS])}")
        if self.label and self.label not in LABEL_MODES:
            raise RigError(
                f"unknown label mode {self.label}; {nearest(self.label, [*LABEL_MODES])}"
            )
        if self.max_episodes < 0:
            raise RigError(f"episodes is {self.max_episodes}; it must be 0 (no end) or more")
        if self.seed < 0:
            raise RigError(f"seed is {self.seed}; it must be 0 or more")

    @property
    def session(self) -> str:
        """Name of the session."""
        return self.run_dir.name

    def apply(self, rig: Rig) -> Rig:
        """The rig with this session's values in every part that needs them."""
        server = rig.parts["policy_server"]
        endpoint = server.get("endpoint", server.get("bind"))
        keys = {
            key: str(path_in_rig(server[key]))
            for key in ("client_key", "server_key")
            if server.get(key)
        }
        common = {"session": self.session, "run_dir": str(self.run_dir)}
        # An endpoint that the lab has not given yet is missing once, not once for each client.
        given = endpoint if isinstance(endpoint, str) else ""
        client = {"server": given, "seed": self.seed, **keys}
        values: dict[str, dict[str, Any]] = {
            "agent": {**common, **client},
            "operator": {
                **common,
                "label_mode": self.label or ("auto" if rig.simulated else "manual"),
                "max_episodes": self.max_episodes,
                "seed": self.seed,
            },
            "learning": {**common, **client, "method": self.method},
            "policy_server": {"endpoint": endpoint},
        }
        if self.sigma is not None:
            changes = rig.parts["learning"].get("overrides", [])
            values["learning"]["overrides"] = [*changes, f"agent.sigma_max={self.sigma}"]
        values |= {name: common for name in ("recorder", "success_head") if name in rig.parts}
        if UPLINK in rig.parts:
            values[UPLINK] = {"session": self.session, "server": given, **keys}
        if self.method == "base":
            # No learner is needed for it: where none runs, nobody steers.
            values["agent"]["unknown_learner_source"] = "base"
        checkpoint = server.get("checkpoint")
        if nothing_real_moves(rig):
            _add_missing(values, rig, "controller", "simulated_arm", value=True)
        if "console" in rig.parts:
            values["console"] = dict(common)
            _show_cameras(values, rig)
        if rig.simulated:
            values["driver"] = {"run_dir": str(self.run_dir)}
            if self.method in ("dsrl", "dsrl_na"):
                # They steer plain behaviour cloning, which is trained beside the smoothed policy.
                checkpoint = str(Path(server["checkpoint"]).with_name("bc"))
                values["policy_server"]["checkpoint"] = checkpoint
        else:
            _add_missing(values, rig, "agent", "cameras", list(rig.cameras))
            # Beside no run: a stop that was pressed in one session holds in the next.
            stop = Path.home() / ".tmrl" / f"{rig.robot}.estop"
            _add_missing(values, rig, "controller", "estop_file", str(stop))
        _add_length_of_chunks(values, rig, checkpoint)
        _add_candidates(values, rig, self.method, checkpoint)
        _fill_in_offline_data(values, rig)
        _add_what_is_prepared(values, rig)
        return rig.for_its_driver().with_overrides(
            {f"{part}.{key}": value for part, of in values.items() for key, value in of.items()}
        )


def _add_length_of_chunks(values: dict[str, dict[str, Any]], rig: Rig, checkpoint: object) -> None:
    """Tells every part how many steps of a chunk are executed, and how many overlap.

    Args:
        values: Get what the rig does not give.
        rig: The rig.
        checkpoint: Of the policy that is served; a learner may need a copy of it.
    """
    steps = rig.parts["agent"].get("execute_steps")
    # A person's segments are as long as chunks, also before the first chunk.
    _add_missing(values, rig, "controller", "execute_steps", steps)
    overlap = rig.parts["agent"].get("overlap_steps")
    for part in ("controller", "policy_server"):
        _add_missing(values, rig, part, "overlap_steps", overlap)
    if isinstance(checkpoint, str):
        _add_missing(values, rig, "learning", "policy", str(path_in_rig(checkpoint)))
        _add_missing(values, rig, "learning", "execute_steps", steps)


def _add_what_is_prepared(values: dict[str, dict[str, Any]], rig: Rig) -> None:
    """Says what a pi0 prepares for before the first chunk: arms that ask at a time, and a prompt.

    On a GPU each number of requests in one pass takes time and memory.
    """
    further = rig.parts["learning"].get("robots")
    arms = 1 + len(cast(list[Any], further)) if isinstance(further, list | tuple) else 1
    _add_missing(values, rig, "policy_server", "max_batch", arms)
    prompt = rig.parts["agent"].get("prompt")
    if isinstance(prompt, str) and "dino" in rig.parts["policy_server"]:
        _add_missing(values, rig, "policy_server", "prompt", prompt)


def _add_candidates(
    values: dict[str, dict[str, Any]], rig: Rig, method: str, checkpoint: object
) -> None:
    """Has candidates asked for where the learner cannot have a copy of the policy."""
    for part, settings in candidate_settings(rig, method, checkpoint).items():
        for key, value in settings.items():
            _add_missing(values, rig, part, key, value)


def _fill_in_offline_data(values: dict[str, dict[str, Any]], rig: Rig) -> None:
    """Gives the learner the place of its demonstrations, where the rig names some."""
    folder = rig.parts["learning"].get("offline_data")
    if isinstance(folder, str) and folder:
        values["learning"]["offline_data"] = str(path_in_rig(folder))


def nothing_real_moves(rig: Rig) -> bool:
    """Whether the arm is simulated or made up; False where its driver cannot be found."""
    if rig.simulated:
        return True
    name = rig.parts["arm"].get("driver")
    try:
        return isinstance(name, str) and find_driver(name).simulated
    except DriverError:
        return False


def _show_cameras(values: dict[str, dict[str, Any]], rig: Rig) -> None:
    """The console shows what the agent looks at, or else all cameras that the rig runs."""
    agent = rig.parts["agent"]
    if agent.get("camera_topics"):
        for key in ("cameras", "camera_topics", "best_effort_images"):
            _add_missing(values, rig, "console", key, agent.get(key))
        return
    run: Any = rig.cameras
    if rig.simulated:
        (simulation,) = part_of("driver").classes()
        defaults = {each.name: each.default for each in dataclasses.fields(simulation)}
        run = rig.parts["driver"].get("cameras", defaults["cameras"])
    _add_missing(values, rig, "console", "cameras", list(run))


def _add_missing(
    values: dict[str, dict[str, Any]], rig: Rig, part: str, key: str, value: Any
) -> None:
    """Adds a value that follows from others, where the rig does not give it and it is not empty."""
    if value and key not in rig.parts[part]:
        values.setdefault(part, {})[key] = value
