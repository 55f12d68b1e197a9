"""A run that is killed and resumed ends with the same bits as one that was left alone."""

import itertools
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from tmrl_experiments.inprocess.cli import main
from tmrl_policies.flow_checkpoint import save_flow_policy
from tmrl_policies.flow_policy import FlowPolicy, FlowPolicyConfig

EPISODES = 6
KILLED_IN = 4
SETTINGS = (
    "agent.hidden=16",
    "agent.batch_size=16",
    "agent.utd=2",
    "replay.capacity=70",
    "schedule.warmup_chunks=30",
    "schedule.warmup_successes=0",
    "schedule.burst_rounds=5",
)


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy that moves at random: what it can does not matter here."""
    folder = tmp_path_factory.mktemp("policy")
    shape = FlowPolicyConfig(horizon=6, hidden=16, blocks=1, flow_steps=1)
    save_flow_policy(folder, FlowPolicy(shape), {})
    return folder


def command(policy: Path, run_dir: Path) -> list[str]:
    arguments = ["--checkpoint", str(policy), "--run-dir", str(run_dir), "--wandb", "disabled"]
    arguments += ["--episodes", str(EPISODES), "--checkpoint-every", "2", "--seed", "3"]
    arguments += ["--warmup-marginal-fraction", "0.5", "--z-per-step"]
    return arguments + list(itertools.chain.from_iterable(("--set", s) for s in SETTINGS))


def start(arguments: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tmrl_experiments", "finetune", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def lines_until(stream: IO[str], start_of_line: str) -> Iterator[str]:
    for line in stream:
        yield line
        if line.startswith(start_of_line):
            return


def finish(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
    return output


def checkpoint_record(run_dir: Path) -> dict[str, Any]:
    return json.loads((run_dir / "checkpoint" / "learner.json").read_text())


def test_a_killed_run_resumes_and_ends_bit_equal(policy: Path, tmp_path: Path) -> None:
    whole_run = start(command(policy, tmp_path / "whole"))
    killed_run = start(command(policy, tmp_path / "killed"))
    assert killed_run.stdout is not None
    seen = list(lines_until(killed_run.stdout, f"episode {KILLED_IN - 1:3d}"))
    killed_run.send_signal(signal.SIGKILL)
    assert killed_run.wait(timeout=10) == -signal.SIGKILL, seen
    killed_run.stdout.close()
    resumed = finish(start([*command(policy, tmp_path / "killed"), "--resume"]))
    # The checkpoint is of episode 2: that of episode 3 is done again.
    assert resumed.startswith(f"episode {KILLED_IN - 1:3d}")
    whole = finish(whole_run)

    def without_wall_time(text: str) -> list[str]:
        return [line.rsplit("rounds", 1)[0] for line in text.splitlines()]

    assert without_wall_time(whole)[2:] == without_wall_time(resumed)
    # Weights, moments, replay and generators: the hash is of every tensor in the checkpoint.
    left_alone = checkpoint_record(tmp_path / "whole")
    assert left_alone["sha256"] == checkpoint_record(tmp_path / "killed")["sha256"]
    assert len(left_alone["metadata"]["shell"]["episodes"]) == EPISODES
    assert left_alone["metadata"]["counters"]["rounds"] > 50


def test_a_run_is_not_overwritten_and_resumes_with_its_own_arguments_only(
    policy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short = [*command(policy, tmp_path / "run"), "--episodes", "1"]
    assert main(short) == 0
    assert main(short) == 2
    assert "--resume" in capsys.readouterr().err
    assert main([*short, "--resume", "--seed", "4", "--set", "seed=3"]) == 2
    assert "was started with --seed = 3, not with 4" in capsys.readouterr().err
    assert main([*short, "--resume", "--set", "agent.utd=3"]) == 2
    assert "agent" in capsys.readouterr().err


def test_a_run_of_which_half_is_lost_is_not_resumed_and_not_overwritten(
    policy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short = [*command(policy, tmp_path / "run"), "--episodes", "1"]
    assert main(short) == 0
    record = tmp_path / "run" / "checkpoint" / "learner.json"
    record.unlink()
    capsys.readouterr()
    assert main([*short, "--resume"]) == 2
    assert str(record) in capsys.readouterr().err
    assert main(short) == 2
    assert "holds a run already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--resume"], "--resume needs --run-dir"),
        (["--run-dir", "run", "--method", "base"], "learns nothing"),
        (["--episodes", "0"], "at least 1"),
        (["--until-success", "2"], "--until-success is 2.0; it must be above 0 to 1"),
        (["--until-success", "nan"], "finite"),
        (["--warmup-marginal-fraction", "75"], "it must be 0 to 1"),
        (["--seed", "-1"], "--seed is -1; it must be 0 to 4294967295"),
        (["--checkpoint-every", "0"], "at least 1"),
        (["--set", "agent.utd"], "is not KEY=VALUE"),
    ],
)
def test_command_lines_that_cannot_work_are_refused_with_a_sentence(
    policy: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--checkpoint", str(policy), *arguments]) == 2
    assert message in capsys.readouterr().err
