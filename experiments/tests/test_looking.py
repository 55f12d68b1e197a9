"""From rendered demonstrations to fine-tuning through cameras, each part as small as it can be."""

import json
from pathlib import Path

import pytest

from tmrl_experiments.inprocess import cli
from tmrl_experiments.widowx import pretrain
from tmrl_policies.camera_served import ServedCameraPolicy, load_served

SMALL = ("--demonstrations", "2", "--encoder-steps", "2", "--steps", "2", "--episodes", "1")


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cameras")
    words = ["widowx_sim", "--observe", "cameras", "--method", "bc", *SMALL]
    words += ["--work", str(folder / "work"), "--out", str(folder / "out"), "--wandb", "disabled"]
    assert pretrain.main(words) == 0
    encoder = (folder / "out" / "bc" / "encoder.safetensors").read_bytes()
    assert pretrain.main(words) == 0, "the same command reads what is done"
    assert (folder / "out" / "bc" / "encoder.safetensors").read_bytes() == encoder
    return folder / "out"


def test_pre_training_leaves_a_folder_that_can_be_served(policies: Path) -> None:
    served = load_served(policies / "bc", "xyz_gripper_to_bridge_delta_ee_7")
    assert isinstance(served, ServedCameraPolicy)
    assert served.spec.cameras == ("overview", "wrist")
    card = (policies / "bc" / "MODEL_CARD.md").read_text()
    assert "./tmrl pretrain widowx_sim --observe cameras --method bc" in card
    assert "96 px pictures of overview and wrist" in card


def test_fine_tuning_looks_through_the_policys_own_encoder(policies: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    words = ["--checkpoint", str(policies / "bc"), "--method", "dsrl", "--episodes", "1"]
    assert cli.main([*words, "--json", str(report)]) == 0
    figures = json.loads(report.read_text())
    assert figures["chunks"] == [20], "an episode of 100 steps"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--task", "plate"], "--observe cameras goes with --task pot"),
        (["--helped-episodes", "2"], "as the scripted helper does"),
    ],
)
def test_what_needs_the_objects_positions_is_refused(
    policies: Path, words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["--checkpoint", str(policies / "bc"), *words]) == 2
    assert sentence in capsys.readouterr().err


def test_the_plate_cannot_be_pre_trained_through_cameras(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit, match="2"):
        pretrain.main(["widowx_sim", "--observe", "cameras", "--task", "plate"])
    assert "--observe cameras goes with --task pot" in capsys.readouterr().err
