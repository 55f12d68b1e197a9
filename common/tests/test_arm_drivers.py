"""Drivers as entry points: found without being imported, refused in one sentence where broken."""

import subprocess
import sys
from pathlib import Path

import pytest

from tmrl_common.arm_drivers import (
    DriverDescription,
    DriverError,
    InstalledDriver,
    driver_names,
    find_driver,
    import_driver,
)
from tmrl_common.testing.drivers import offer_driver

GOOD = """
from tmrl_common.arm_drivers import DriverDescription
DESCRIPTION = DriverDescription(name="toy", driver="toy_arm:ToyArm", simulated=True)
class ToyArm:
    pass
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("toy_arm", "broken_arm"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


def test_a_package_on_the_path_offers_its_driver(folder: Path) -> None:
    offer_driver(folder, "toys", {"toy": "toy_arm:DESCRIPTION"}, {"toy_arm": GOOD})

    assert "toy" in driver_names()
    assert "toy_arm" not in sys.modules
    description = find_driver("toy")
    assert (description.name, description.simulated) == ("toy", True)
    assert import_driver(description).__name__ == "ToyArm"


def test_an_unknown_driver_is_refused_with_the_nearest_one_and_the_way_to_a_new_one(
    folder: Path,
) -> None:
    offer_driver(folder, "toys", {"toy": "toy_arm:DESCRIPTION"}, {"toy_arm": GOOD})

    with pytest.raises(DriverError, match=r"driver is 'toi'.*did you mean 'toy'.*own_robot\.md"):
        find_driver("toi")
    assert not InstalledDriver().admits("toi")


def test_where_nothing_is_built_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])

    with pytest.raises(DriverError, match=r"no driver at all is installed here.*\./tmrl setup"):
        find_driver("toy")


def test_two_packages_of_one_name_are_both_named(folder: Path) -> None:
    offer_driver(folder, "toys", {"toy": "toy_arm:DESCRIPTION"}, {"toy_arm": GOOD})
    offer_driver(folder, "games", {"toy": "toy_arm:DESCRIPTION"})

    with pytest.raises(DriverError, match=r"'toy', which games 1\.0 and toys 1\.0 both offer"):
        find_driver("toy")


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("import no_such_vendor", r"ModuleNotFoundError: No module named 'no_such_vendor'"),
        ("raise OSError('libarm.so is missing')", r"OSError: libarm\.so is missing"),
        ("x = 1", "AttributeError"),
        ("DESCRIPTION = 'toy'", "which is no DriverDescription"),
        (GOOD.replace('name="toy"', 'name="tin"'), "describes 'tin': give both the same name"),
        (GOOD.replace('name="toy"', 'name="my toy"'), "the driver's name is 'my toy'"),
    ],
)
def test_a_description_that_cannot_be_used_names_package_and_reason(
    folder: Path, source: str, sentence: str
) -> None:
    offer_driver(folder, "toys", {"toy": "broken_arm:DESCRIPTION"}, {"broken_arm": source})

    with pytest.raises(DriverError, match=sentence) as caught:
        find_driver("toy")
    assert "toys 1.0" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_driver_whose_vendor_is_missing_names_the_remedy() -> None:
    toy = DriverDescription("toy", "no_such_vendor:Arm", simulated=False, remedy="pip install it")

    with pytest.raises(DriverError, match=r"no_such_vendor.*; pip install it"):
        import_driver(toy)


def test_to_look_for_drivers_imports_neither_them_nor_what_is_heavy() -> None:
    look = "import sys, tmrl_common.arm_drivers as d; d.driver_names(); print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", look], capture_output=True, text=True, check=True
    ).stdout.split()

    assert not {"torch", "mujoco", "franky", "rclpy", "tmrl_arm"} & set(loaded)
