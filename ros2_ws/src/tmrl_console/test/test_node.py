"""The node over real DDS, and its page over real HTTP and WebSockets."""

import http.client
import json
import socket
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

pytest.importorskip("tmrl_msgs", reason="needs the built ROS workspace: ./tmrl run pytest")

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tmrl_common.testing.waiting import wait_until
from tmrl_console.access import COOKIE, AccessError
from tmrl_console.params import ADDRESS_FILE
from tmrl_console.password import write_password
from tmrl_console.web_thread import PortError
from tmrl_recorder.file_names import FOLDER
from tmrl_recorder.testing import record_pictures
from tmrl_ros.parameters import ParameterError

pytestmark = pytest.mark.ros

TIMEOUT_S = 120.0


class Page:
    """What a page's script does, without a browser."""

    def __init__(self, socket):
        self.socket, self.state, self.answers = socket, {}, {}
        self.refusal = None
        self._number = 0

    def take(self):
        message = json.loads(self.socket.recv(timeout=TIMEOUT_S))
        self.state |= message.get("state", {})
        if "answer" in message:
            self.answers[message["answer"]] = message
        if "drive" in message:
            self.refusal = message["drive"]

    @property
    def mode(self):
        return self.state.get("controller", {}).get("mode")

    def until(self, condition, what):
        wait_until(condition, what, TIMEOUT_S, self.take)

    def ask(self, verb, **fields):
        self._number += 1
        number = self._number
        self.socket.send(json.dumps({"do": verb, "id": number, **fields}))
        self.until(lambda: number in self.answers, f"an answer to {verb}")
        return self.answers[number]

    def drive(self, *actions):
        self.socket.send(json.dumps({"drive": list(actions)}))


def connection(cell, path="/ws", cookie="", origin=None):
    host = urlsplit(cell.address).netloc
    headers = {"Cookie": f"{COOKIE}={cookie}"} if cookie else {}
    return connect(
        f"ws://{host}{path}",
        origin=origin or f"http://{host}",
        additional_headers=headers,
        compression=None,
        proxy=None,
    )


@contextmanager
def page(cell, **of_connection):
    with connection(cell, **of_connection) as opened:
        yield Page(opened)


def fetch(cell, path, method="GET", body=None, **headers):
    parts = urlsplit(cell.address)
    asked = http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT_S)
    asked.request(method, path, body, headers)
    answer = asked.getresponse()
    return answer, answer.read()


def test_a_session_from_start_to_undo(start_cell):
    cell = start_cell(session="run")
    with page(cell) as one:
        one.until(lambda: one.state.get("episode", {}).get("state") == "idle", "the state")
        assert one.ask("start", name="ada")["success"]
        one.until(lambda: one.state["episode"]["state"] == "running", "the episode to run")
        labelled = one.ask("success", name="ada")
        assert (labelled["success"], labelled["episode"]) == (True, 1)
        assert labelled["outcome"] == "SUCCESS"
        one.until(lambda: one.state.get("episodes", {}).get("list"), "the label")
        assert one.ask("undo", name="ada")["success"]
        refused = one.ask("failure", name="ada")
        assert not refused["success"]
        assert "no episode runs" in refused["message"]
        # While the scene is being reset, the same key says that it is done.
        assert one.ask("start")["success"]
    assert cell.session.asked == [
        ("operator/start", "ada"),
        ("operator/label", "ada"),
        ("operator/undo", "ada"),
        ("operator/label", "ada"),
        ("operator/reset_done", ""),
    ]


def test_a_past_episode_is_a_video_and_one_without_a_recording_says_so(start_cell, tmp_path):
    record_pictures(tmp_path / FOLDER, 3, ["overview", "wrist"], [0.0, 1.0])
    cell = start_cell(session="run", run_dir=str(tmp_path))
    answer, content = fetch(cell, "/episodes/3/video")
    assert (answer.status, answer.headers["content-type"]) == (200, "video/mp4")
    assert content == (tmp_path / FOLDER / "episode_0003.mp4").read_bytes()
    answer, content = fetch(cell, "/episodes/4/video")
    assert answer.status == 404
    assert content.decode().startswith("episode 4 has no finished recording")
    assert fetch(cell, "/episodes/..%2F3/video")[0].status in (404, 422)


def test_the_runs_disk_and_the_success_heads_doubts_are_shown(start_cell, tmp_path):
    cell = start_cell(session="run", run_dir=str(tmp_path))
    cell.session.doubts = [12, 7]
    with page(cell) as one:
        one.until(lambda: one.state.get("run"), "the disk")
        assert one.state["run"]["free_gb"] > 0.0
        assert one.state["run"]["is_recorded"] is False
        shown = {"state": "suggests: precision 97 %", "look_again": [12, 7]}
        one.until(lambda: one.state.get("success_head") == shown, "the doubts")


def test_hold_estop_and_clearing_reach_the_controller(start_cell):
    cell = start_cell()
    with page(cell) as one:
        assert one.ask("hold")["success"]
        assert one.ask("estop")["success"]
        one.until(lambda: one.mode == "estop", "the e-stop")
        one.ask("clear_estop", name="ada")
        one.until(lambda: one.mode == "hold", "the hold")
    assert cell.session.asked[-1] == ("controller/clear_estop", "ada")


def test_whoever_is_not_there_is_named(start_cell):
    cell = start_cell(alone=True)
    with page(cell) as one:
        assert "nobody serves operator/start" in one.ask("start")["message"]
        assert "press the hardware e-stop" in one.ask("estop")["message"]


def test_state_is_served_and_says_what_came(start_cell):
    cell = start_cell()
    cell.session.begin()
    for number in range(3):
        cell.session.propose(0.25 * number, 1.5, driven=number == 2)

    def chunks():
        _, body = fetch(cell, "/api/state")
        return json.loads(body).get("chunks", {}).get("list", [])

    cell.until(lambda: len(chunks()) == 3, "the chunks")
    newest = chunks()[-1]
    assert (newest["sigma"], newest["z"], newest["teleop"], newest["clamped"]) == (
        0.5,
        1.5,
        1.0,
        True,
    )
    assert json.loads(fetch(cell, "/api/state")[1])["about"]["keys"]["KeyS"] == "success"


def test_driving_over_the_socket_ends_with_the_socket(start_cell):
    cell = start_cell(max_silence_s=0.5)
    readings = cell.session.readings
    with page(cell) as one:
        one.until(lambda: one.state.get("arm"), "an arm state")

        def driven():
            one.drive("forward")
            one.take()
            return any(reading.active for reading in readings)

        wait_until(driven, "the arm to be driven", TIMEOUT_S, lambda: None)
        with page(cell) as other:
            other.drive("back")
            other.until(lambda: other.refusal, "a refusal")
            assert "another page drives" in other.refusal
        one.drive("forward")
    cell.until(lambda: not readings[-1].active, "the release")
    active = [reading.active for reading in readings]
    assert not active[0], "released first, as the controller asks"
    driven_reading = readings[active.index(True)]
    assert driven_reading.device == "web"
    assert driven_reading.linear[0] == pytest.approx(0.05)
    assert driven_reading.gripper_opening == pytest.approx(0.75)


def test_a_page_that_falls_silent_has_let_go(start_cell):
    cell = start_cell()
    readings = cell.session.readings
    with page(cell) as one:
        one.until(lambda: one.state.get("arm"), "an arm state")

        def driven():
            one.drive("up")
            one.take()
            return any(reading.active for reading in readings)

        wait_until(driven, "the arm to be driven", TIMEOUT_S, lambda: None)
        cell.until(lambda: not readings[-1].active, "the release")
        one.drive("up")
        one.until(lambda: "let go" in (one.refusal or ""), "the refusal")


def test_pictures_come_one_by_one_and_only_while_somebody_looks(start_cell):
    cell = start_cell()
    assert cell.session.count_subscribers("camera/wrist/image") == 0
    with connection(cell, "/camera/wrist") as camera:
        for _ in range(3):
            assert camera.recv(timeout=TIMEOUT_S).startswith(b"\xff\xd8")
            camera.send("shown")
        assert cell.session.count_subscribers("camera/overview/image") == 0
        # One is in flight; without the page's word there is no second.
        camera.recv(timeout=TIMEOUT_S)
        seen = cell.session.pictures
        cell.until(lambda: cell.session.pictures > seen + 2, "further pictures")
        with pytest.raises(TimeoutError):
            camera.recv(timeout=0.3)
    cell.until(lambda: cell.session.count_subscribers("camera/wrist/image") == 0, "the end")
    with connection(cell, "/camera/lamp") as nothing, pytest.raises(ConnectionClosed) as closed:
        nothing.recv(timeout=TIMEOUT_S)
    assert "no camera lamp" in str(closed.value)


@pytest.mark.parametrize("path", ["/ws", "/camera/wrist"])
def test_another_page_may_not_open_a_socket(start_cell, path):
    cell = start_cell()
    for origin in ("http://evil.example", "null"):
        with pytest.raises(InvalidStatus) as refused:
            connection(cell, path, origin=origin)
        assert refused.value.response.status_code == 403


def test_the_page_loads_nothing_from_elsewhere_and_goes_by_no_other_name(start_cell):
    cell = start_cell()
    answer, body = fetch(cell, "/")
    assert answer.status == 200
    assert b"E-STOP" in body
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert fetch(cell, "/", Host="evil.example")[0].status == 403
    assert fetch(cell, "/docs")[0].status == 404
    assert fetch(cell, "/static/../node.py")[0].status == 404


def test_garbage_closes_only_the_socket_that_it_came_from(start_cell):
    cell = start_cell()
    with page(cell) as good, connection(cell) as bad:
        bad.send("garbage")
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                bad.recv(timeout=TIMEOUT_S)
        assert closed.value.rcvd.code == 4400
        assert good.ask("hold")["success"]


def test_with_a_password_nothing_is_open_before_the_login(start_cell, tmp_path):
    path = tmp_path / "console.password"
    write_password(path, "correct horse")
    cell = start_cell(password_file=str(path))
    assert fetch(cell, "/")[0].status == 303
    assert fetch(cell, "/api/state")[0].status == 401
    with pytest.raises(InvalidStatus):
        connection(cell)
    origin = cell.address.rstrip("/")
    form = {"Content-Type": "application/x-www-form-urlencoded", "Origin": origin}
    assert fetch(cell, "/login", "POST", "password=correct+horse")[0].status == 403, "no origin"
    wrong = fetch(cell, "/login", "POST", "password=x", **form)[0]
    assert (wrong.status, wrong.headers["Location"]) == (303, "/login?wrong")
    right = fetch(cell, "/login", "POST", "password=correct+horse", **form)[0]
    kept = right.headers["Set-Cookie"]
    assert "HttpOnly" in kept
    assert "samesite=strict" in kept.lower()
    cookie = kept.partition("=")[2].partition(";")[0]
    with page(cell, cookie=cookie) as one:
        assert one.ask("hold")["success"]
    for _ in range(5):
        last = fetch(cell, "/login", "POST", "password=x", **form)[0]
    assert last.status == 429


def test_the_address_is_noted_and_the_next_free_port_is_taken(start_cell, tmp_path):
    cell = start_cell(run_dir=str(tmp_path))
    assert (tmp_path / ADDRESS_FILE).read_text().strip() == cell.address
    assert urlsplit(cell.address).port >= 8350


def test_an_address_for_the_whole_network_is_one_that_a_tablet_can_open(start_cell, tmp_path):
    path = tmp_path / "console.password"
    write_password(path, "correct horse")
    cell = start_cell(host="0.0.0.0", password_file=str(path))
    assert urlsplit(cell.address).hostname == socket.gethostname().lower()


def test_a_port_that_is_taken_is_a_sentence_at_the_start(start_cell):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortError, match=rf"port {port} is in use .*console\.port:="):
            start_cell(port=port)


def test_an_address_that_is_not_this_machines_is_a_sentence(start_cell, tmp_path):
    path = tmp_path / "console.password"
    write_password(path, "correct horse")
    with pytest.raises(PortError, match="cannot listen"):
        start_cell(host="192.0.2.1", password_file=str(path))


def test_a_password_file_that_is_not_there_is_a_sentence(start_cell, tmp_path):
    with pytest.raises(AccessError, match="cannot be read"):
        start_cell(password_file=str(tmp_path / "none"))


def test_the_network_without_a_password_is_a_sentence(start_cell):
    with pytest.raises(ParameterError, match="open to the network"):
        start_cell(host="0.0.0.0")
