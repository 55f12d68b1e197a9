"""Found and not heard: soon said, with the likely cause, above all of a call that stops."""

import multiprocessing
import socket
from collections.abc import Iterator

import pytest

pytest.importorskip("tmrl_msgs", reason="needs the built ROS workspace: ./tmrl run pytest")


from tmrl_cli import call
from tmrl_cli.call import main
from tmrl_cli.testing import offer_and_hang
from tmrl_doctor import silence


@pytest.fixture
def hanging(ros_domain_id: int) -> Iterator[None]:
    """A node that is found and does nothing, in a process of its own."""
    process = multiprocessing.get_context("spawn").Process(target=offer_and_hang)
    process.start()
    yield
    process.kill()
    process.join()


@pytest.mark.ros
def test_a_stop_that_nobody_answers_says_so_and_what_to_do(
    hanging: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Found as late as it may be on a busy machine, and heard never.
    monkeypatch.setattr(call, "_FIND_STOP_S", 60.0)
    monkeypatch.setattr(call, "_FIND_S", 60.0)
    assert main(["controller/estop"]) == 1
    said = capsys.readouterr().err
    assert "nothing heard of /widowx/controller/estop within 5 s" in said
    assert "press its own stop button" in said
    assert "/dev/shm" in said


@pytest.mark.parametrize(
    ("service", "stops"),
    [
        *(
            (name, True)
            for name in ("estop", "/widowx/controller/estop", "hold", "operator/stop", "pause")
        ),
        *((name, False) for name in ("", "/", "arm/home", "operator/start", "clear_estop")),
        ("/left/controller/clear_estop", False),
    ],
)
def test_what_stops_is_known_by_its_name(service: str, stops: bool) -> None:  # noqa: FBT001
    assert call._stops(service) is stops


@pytest.mark.ros
@pytest.mark.usefixtures("ros_domain_id")
def test_where_nothing_runs_a_stop_says_that_the_arm_may_move(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call, "_FIND_STOP_S", 0.1)
    assert main(["estop"]) == 2
    assert "press its own stop button" in capsys.readouterr().err


def test_a_discovery_server_that_is_not_there_is_named() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as there:
        there.bind(("127.0.0.1", 0))
        port = there.getsockname()[1]
        assert silence.absent_servers(f"127.0.0.1:{port}") == []
    cause = silence.likely_cause({"ROS_DISCOVERY_SERVER": f";127.0.0.1:{port}"})
    assert f"nobody listens at the discovery server 127.0.0.1:{port}" in cause
