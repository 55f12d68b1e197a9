"""A rig whose arm's driver cannot be had is refused in one sentence, before anything starts."""

import sys
from pathlib import Path

import pytest
import yaml

from tmrl_bringup import up
from tmrl_bringup.rig import RigError, load
from tmrl_bringup.up import resolve
from tmrl_common.testing.drivers import offer_driver

TOY = """
from tmrl_common.arm_drivers import DriverDescription
from tmrl_arm.loopback import LoopbackConfig
DESCRIPTION = DriverDescription("toy", "no_such_vendor:Arm", False, settings=LoopbackConfig)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("toy_arm", "broken_arm"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


def rig_with(folder: Path, driver: str, name: str = "widowx") -> Path:
    content = load(name).with_examples().as_dict()
    del content["rig"]
    content["arm"]["driver"] = driver
    path = folder / "my_rig.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_the_driver_of_a_lab_is_checked_as_the_shipped_ones_and_not_imported(folder: Path) -> None:
    offer_driver(folder, "toys", {"toy": "toy_arm:DESCRIPTION"}, {"toy_arm": TOY})
    file = str(rig_with(folder, "toy"))

    session = resolve(file, {"arm.toy.joint_names": ["one"], "arm.toy.rest_joint_rad": [0.0]})
    assert session.rig.parts["arm"]["toy"]["joint_names"] == ["one"]
    with pytest.raises(RigError, match=r"arm\.toy\.joint_nams: unknown; did you mean joint_names"):
        resolve(file, {"arm.toy.joint_nams": ["one"]})
    with pytest.raises(RigError, match=r"arm\.toy: rest_joint_rad has 6 positions"):
        resolve(file, {"arm.toy.joint_names": ["one"]})


def test_joint_limits_are_not_reckoned_with_the_geometry_of_another_arm(folder: Path) -> None:
    offer_driver(folder, "toys", {"toy": "toy_arm:DESCRIPTION"}, {"toy_arm": TOY})

    with pytest.raises(RigError, match=r"kinematics is 'franky', but arm\.driver is 'toy'"):
        resolve(str(rig_with(folder, "toy", "franka")), {})


@pytest.mark.parametrize(
    ("driver", "sentence"),
    [
        ("tin", "driver is 'tin'; no installed package offers this driver"),
        ("broken", "'broken', which toys 1.0 offers as broken_arm:DESCRIPTION, and that cannot"),
        ("twice", "'twice', which games 1.0 and toys 1.0 both offer: uninstall one of them"),
    ],
)
def test_up_ends_with_one_sentence_and_exit_code_2(
    folder: Path, capsys: pytest.CaptureFixture[str], driver: str, sentence: str
) -> None:
    twice = {"twice": "toy_arm:DESCRIPTION"}
    broken = {"broken": "broken_arm:DESCRIPTION"}
    sources = {"toy_arm": TOY, "broken_arm": "import no_such_vendor"}
    offer_driver(folder, "toys", twice | broken, sources)
    offer_driver(folder, "games", twice)

    assert up.main([str(rig_with(folder, driver))]) == 2
    told = capsys.readouterr().err
    assert sentence in told
    assert told.count("\n") == 1
