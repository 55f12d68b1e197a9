"""The whole of fine-tuning, small: data in, a served policy out, across crashes and processes.

In the data, the image's colour and the instruction decide between two opposite motions.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tmrl_common.errors import ConfigError
from tmrl_common.types import Observation
from tmrl_learner.errors import ResumeError
from tmrl_learner.pi0.cli import main
from tmrl_learner.pi0.config import FinetuneConfig, OptimiserConfig, finetune_config
from tmrl_learner.pi0.finetune import FinetunePaths, finetune
from tmrl_learner.pi0.processes import Processes
from tmrl_learner.pi0.statistics_cli import main as statistics_main
from tmrl_learner.pi0.testing import (
    FPS_HZ,
    MOTION,
    PROMPTS,
    SMALL,
    SmallDataset,
    image_of,
    write_small_dataset,
)
from tmrl_policies.pi0.inputs.settings import Pi0Settings
from tmrl_policies.pi0.inputs.testing import write_tokeniser
from tmrl_policies.pi0.policy import Pi0Policy

ALONE = Processes(0, 1, torch.device("cpu"))
STEPS = 300
CHUNKS = 64
START_S = 300.0

SMALL_ON_THE_COMMAND_LINE = [
    *("--rig", "bridge", "--model", "tiny", "--from-random-weights", "--wandb", "disabled"),
    *("--device", "cpu"),
    *(
        argument
        for setting in (
            "model.siglip.patch_px=112",
            "model.horizon=4",
            "model.action_dim=8",
            "precision=float32",
            "workers=0",
            "log_every=1",
            "batch_size=4",
        )
        for argument in ("--set", setting)
    ),
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pi0")
    write_small_dataset(folder / "data", SmallDataset(lengths=(12,) * 8))
    write_tokeniser(folder / "tokeniser.model")
    return folder


def paths(data: Path, out: Path, **changes: Any) -> FinetunePaths:
    plain = FinetunePaths(data / "data", out, data / "tokeniser.model")
    return replace(plain, **changes)


def small_config(**changes: Any) -> FinetuneConfig:
    plain = FinetuneConfig(
        "bridge", model=SMALL, batch_size=4, precision="float32", workers=0, log_every=1
    )
    return replace(plain, **changes)


def losses(run: Path) -> list[float]:
    lines = (run / "metrics.csv").read_text().splitlines()
    column = lines[0].split(",").index("loss")
    return [float(line.split(",")[column]) for line in lines[1:]]


@pytest.fixture(scope="module")
def run(data: Path) -> Path:
    """A run with which the tiny expert has learned; the vision-language model stays random."""
    rate = OptimiserConfig(
        learning_rate=4e-3, final_learning_rate=4e-4, warmup_steps=20, decay_steps=STEPS
    )
    config = small_config(
        steps=STEPS, batch_size=8, checkpoint_every=100, keep_checkpoints=2, optimiser=rate
    )
    finetune(config, paths(data, data / "run"), ALONE, wandb="disabled")
    return data / "run"


def motions(policy: Pi0Policy, context: int, sigma: float) -> np.ndarray:
    """Mean of each of `CHUNKS` chunks in units of the motion: about 1 or -1."""
    observation = Observation(
        proprio=np.zeros(7, np.float32),
        context=np.zeros(0, np.float32),
        images={"overview": image_of(context)},
        prompt=PROMPTS[context],
    )
    generator = torch.Generator().manual_seed(1)
    actions = policy.sample(
        [policy.observe(observation)] * CHUNKS,
        torch.full((CHUNKS,), sigma),
        torch.randn(CHUNKS, SMALL.context_dim, generator=generator),
        torch.randn(CHUNKS, SMALL.horizon, SMALL.action_dim, generator=generator),
    )
    return actions.numpy().mean(axis=(1, 2)) / MOTION


def test_the_loss_falls(run: Path) -> None:
    all_losses = losses(run)
    assert len(all_losses) == STEPS
    assert np.mean(all_losses[-50:]) < 0.5 * np.mean(all_losses[:50])


def test_served_it_follows_the_context_at_sigma_zero_and_forgets_it_at_one(run: Path) -> None:
    checkpoint = run / "checkpoints" / f"step_{STEPS:08d}"
    policy = Pi0Policy.load(checkpoint, Pi0Settings(dino="none", device="cpu"))
    assert (policy.spec.horizon, policy.spec.action_dim) == (SMALL.horizon, 7)
    assert policy.context_smoothing
    exact = [motions(policy, context, 0.0) for context in (0, 1)]
    assert (exact[0] > 0.5).mean() > 0.9
    assert (exact[1] < -0.5).mean() > 0.9
    # The same noise, so that the two differ by their contexts alone.
    marginal = [motions(policy, context, 1.0) for context in (0, 1)]
    for motion in marginal:
        assert 0.2 < (motion > 0).mean() < 0.8
    assert abs(marginal[0].mean() - marginal[1].mean()) < 0.5


def test_a_checkpoint_is_what_openpi_and_we_read_and_only_the_newest_stay(run: Path) -> None:
    folders = sorted(path.name for path in (run / "checkpoints").iterdir())
    assert folders == ["step_00000200", "step_00000300"]
    names = sorted(load_file(run / "checkpoints/step_00000300/model.safetensors"))
    assert "paligemma_with_expert.gemma_expert.model.layers.0.self_attn.q_proj.weight" in names
    record = json.loads((run / "checkpoints/step_00000300/pi0.json").read_text())
    assert record["training"]["step"] == STEPS
    assert record["training"]["config"]["trained"] == "expert"
    assert record["training"]["data_rate_hz"] == FPS_HZ


def test_a_cspi05_is_trained_exported_and_served_as_its_record_says(
    data: Path, tmp_path: Path, capsys
) -> None:
    """And is a start for the next training, but not for one of another kind."""
    first = command(data, tmp_path / "first", "--kind", "cspi05", "--set", "steps=2")
    assert main(first) == 0
    checkpoint = tmp_path / "first/checkpoints/step_00000002"
    record = json.loads((checkpoint / "pi0.json").read_text())
    config = record["config"]
    assert (config["pi05"], config["context_smoothing"], config["prefix_rms"]) == (True,) * 3
    assert record["scale"] == "quantile"
    written = json.loads((checkpoint / "assets/bridge/norm_stats.json").read_text())
    assert {"q01", "q99"} <= written["norm_stats"]["state"].keys()

    policy = Pi0Policy.load(checkpoint, Pi0Settings(dino="none", device="cpu"))
    assert policy.context_smoothing
    assert np.isfinite(motions(policy, 0, 0.5)).all()
    with pytest.raises(ConfigError, match=r"setting kind is 'cspi0'.*'cspi05'"):
        Pi0Policy.load(checkpoint, Pi0Settings(dino="none", device="cpu", kind="cspi0"))

    start = ["--weights", str(checkpoint), "--set", "steps=1"]
    assert main(command(data, tmp_path / "second", "--kind", "cspi05", *start)) == 0
    assert main(command(data, tmp_path / "third", *start)) == 2
    assert "give --kind cspi05" in capsys.readouterr().err
    other = ["--kind", "cspi05", "--set", "model.prefix_rms=false"]
    assert main(command(data, tmp_path / "fourth", *start, *other)) == 2
    assert "give --set model.prefix_rms=true" in capsys.readouterr().err


def test_an_instruction_without_room_for_the_state_is_named_before_training(
    data: Path, tmp_path: Path, capsys
) -> None:
    root = write_small_dataset(tmp_path / "data")
    tasks = [{"task_index": 0, "task": PROMPTS[0]}, {"task_index": 1, "task": "press " * 60}]
    (root / "meta/tasks.jsonl").write_text("\n".join(json.dumps(task) for task in tasks))
    arguments = command(data, tmp_path / "run", "--kind", "cspi05", "--set", "steps=1")
    arguments[0] = str(root)
    assert main(arguments) == 2
    answer = capsys.readouterr().err
    assert "the prompt 'press press" in answer
    assert "raise model.prompt_tokens" in answer
    assert main([*arguments, "--set", "model.prompt_tokens=400"]) == 0


def test_statistics_without_quantiles_are_refused_for_a_pi05(
    data: Path, tmp_path: Path, capsys
) -> None:
    stored = {"mean": [0.0] * 7, "std": [1.0] * 7}
    path = tmp_path / "norm_stats.json"
    path.write_text(json.dumps({"norm_stats": {"state": stored, "actions": stored}}))
    arguments = command(data, tmp_path / "run", "--statistics", str(path), "--set", "steps=1")
    assert main([*arguments, "--kind", "cspi05"]) == 2
    answer = capsys.readouterr().err
    assert f"{path}, state: there are no q01 and q99" in answer
    assert "./tmrl pi0-statistics" in answer
    assert main(arguments) == 0, "pi0 needs none"


def command(data: Path, out: Path, *more: str) -> list[str]:
    where = [str(data / "data"), "--tokeniser", str(data / "tokeniser.model"), "--out", str(out)]
    return [*where, *SMALL_ON_THE_COMMAND_LINE, *more]


def kill_after_first_checkpoint(arguments: list[str], out: Path) -> None:
    program = [sys.executable, "-m", "tmrl_learner", "finetune-pi0", *arguments]
    process = subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    deadline_s = time.monotonic() + START_S
    while not list((out / "checkpoints").glob("step_????????")):
        assert process.poll() is None, process.stderr.read().decode() if process.stderr else ""
        assert time.monotonic() < deadline_s, "no checkpoint came"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_killed_and_resumed_it_ends_with_the_same_bits(data: Path, tmp_path: Path) -> None:
    settings = ["--set", "steps=40", "--set", "checkpoint_every=3", "--set", "keep_checkpoints=40"]
    killed = command(data, tmp_path / "killed", *settings)
    kill_after_first_checkpoint(killed, tmp_path / "killed")
    left = sorted((tmp_path / "killed/checkpoints").glob("step_????????"))
    assert len(left) < 13, "it was too fast to be killed"
    assert main(killed) == 0
    assert main(command(data, tmp_path / "whole", *settings)) == 0
    last = "checkpoints/step_00000040"
    for name in ("model.safetensors", "training.safetensors"):
        both = [(tmp_path / run / last / name).read_bytes() for run in ("killed", "whole")]
        assert both[0] == both[1], name


def test_another_training_is_not_gone_on_with(data: Path, tmp_path: Path) -> None:
    where = paths(data, tmp_path)
    finetune(small_config(steps=2), where, ALONE, wandb="disabled")
    with pytest.raises(ResumeError, match=r"config\.seed = 0; now it is 1"):
        finetune(small_config(steps=3, seed=1), where, ALONE, wandb="disabled")
    # A longer training is the same one.
    last = finetune(small_config(steps=3), where, ALONE, wandb="disabled")
    assert last.name == "step_00000003"


def test_what_an_interrupted_save_left_is_no_checkpoint(data: Path, tmp_path: Path) -> None:
    where = paths(data, tmp_path)
    (tmp_path / "checkpoints/step_00000009.partial").mkdir(parents=True)
    last = finetune(small_config(steps=1), where, ALONE, wandb="disabled")
    assert last.name == "step_00000001"


@pytest.mark.parametrize(("trained", "kind"), [("expert", "cspi0"), ("full", "cspi05")])
def test_two_processes_go_on_as_one_does(
    trained: str, kind: str, data: Path, tmp_path: Path
) -> None:
    """Also from the checkpoint of one: the number of processes may change."""
    settings = ["--kind", kind, "--set", f"trained={trained}", "--set", "accumulation=2"]
    assert main(command(data, tmp_path / "one", *settings, "--set", "steps=2")) == 0
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    settings += ["--set", "steps=5"]
    assert main(command(data, tmp_path / "one", *settings)) == 0
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    program = [*torchrun, "-m", "tmrl_learner", "finetune-pi0"]
    ended = subprocess.run(
        [*program, *command(data, tmp_path / "two", *settings)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=START_S,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    np.testing.assert_allclose(losses(tmp_path / "two"), losses(tmp_path / "one"), rtol=1e-4)
    one, two = (
        load_file(tmp_path / name / "checkpoints/step_00000005/training.safetensors")
        for name in ("one", "two")
    )
    assert one.keys() == two.keys()
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, rtol=1e-3, atol=1e-5, msg=name)


def test_reading_in_processes_of_its_own_changes_nothing(data: Path, tmp_path: Path) -> None:
    videos = write_small_dataset(tmp_path / "videos", SmallDataset(video=True))
    last = [
        finetune(
            small_config(steps=4, workers=workers, trained="lora"),
            paths(data, tmp_path / str(workers), dataset=videos),
            ALONE,
            wandb="disabled",
        )
        for workers in (0, 2)
    ]
    one, two = (load_file(folder / "training.safetensors") for folder in last)
    assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_weights_of_a_checkpoint_are_a_start(
    precision: str, run: Path, data: Path, tmp_path: Path
) -> None:
    """Continued with its own statistics, the first loss is that of a trained policy."""
    checkpoint = run / "checkpoints" / f"step_{STEPS:08d}"
    where = paths(
        data,
        tmp_path,
        weights=checkpoint,
        statistics=checkpoint / "assets/bridge/norm_stats.json",
    )
    config = small_config(steps=1, batch_size=32, precision=precision)
    finetune(config, where, ALONE, wandb="disabled")
    assert losses(tmp_path)[0] < 0.7 * losses(run)[0]


def test_statistics_are_a_step_of_their_own_if_wanted(data: Path, tmp_path: Path) -> None:
    arguments = [str(data / "data"), "--rig", "bridge", "--out", str(tmp_path)]
    assert statistics_main(arguments) == 0
    written = json.loads((tmp_path / "assets/bridge/norm_stats.json").read_text())
    assert abs(written["norm_stats"]["actions"]["mean"][0]) < 0.05
    assert written["norm_stats"]["actions"]["std"][0] == pytest.approx(MOTION, rel=0.1)


@pytest.mark.parametrize(
    ("overrides", "answer"),
    [
        ({"trianed": "lora"}, "did you mean 'trained'"),
        ({"trained": "loar"}, "did you mean 'lora'"),
        ({"optimiser.learnin_rate": "1"}, "did you mean 'learning_rate'"),
        ({"batch_size": "6", "accumulation": "4"}, "multiple of accumulation"),
        ({"model.schedule": "authors_10000"}, "did you mean 'authors_1000'"),
        ({"model.pi05": "true"}, "give --kind, one of cspi0, pi0, cspi05, pi05"),
        ({"optimiser.warmup_steps": "30000"}, "it must be above warmup_steps, 30000"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(overrides: dict[str, str], answer: str) -> None:
    with pytest.raises(ValueError, match=answer):
        finetune_config("bridge", overrides=overrides)


@pytest.mark.parametrize(
    ("rig", "kind", "expected"),
    [
        ("droid", "pi0", (10, 48, "mean_std", False)),
        ("droid", "cspi0", (10, 48, "mean_std", True)),
        ("droid", "pi05", (15, 200, "quantile", False)),
        ("droid", "cspi05", (15, 200, "quantile", True)),
        ("libero", "cspi05", (10, 200, "quantile", True)),
        ("libero_relative", "cspi0", (50, 48, "mean_std", True)),
    ],
)
def test_kind_and_rig_give_length_prompt_scale_and_normalisation(
    rig: str, kind: str, expected: tuple[int, int, str, bool]
) -> None:
    config = finetune_config(rig, kind=kind)
    model = config.model
    assert model.kind == kind
    assert (model.horizon, model.prompt_tokens, config.scale, model.prefix_rms) == expected


def test_the_command_answers_mistakes_in_sentences(data: Path, tmp_path: Path, capsys) -> None:
    arguments = command(data, tmp_path)
    arguments[arguments.index("bridge")] = "brigde"
    assert main(arguments) == 2
    assert "did you mean 'bridge'" in capsys.readouterr().err
    arguments = [each for each in command(data, tmp_path) if each != "--from-random-weights"]
    assert main(arguments) == 2
    assert "no first weights" in capsys.readouterr().err
    assert main([*arguments, "--weights", str(tmp_path / "nowhere")]) == 2
    assert "there are no pi0 weights at" in capsys.readouterr().err


def test_a_batch_has_to_divide_among_the_processes(data: Path, tmp_path: Path) -> None:
    three = Processes(0, 3, torch.device("cpu"))
    with pytest.raises(ConfigError, match="number of processes, 1 \\* 3"):
        finetune(small_config(), paths(data, tmp_path), three, wandb="disabled")
