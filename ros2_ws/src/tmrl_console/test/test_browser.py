"""The page in a real browser, in front of a real controller and a simulated arm."""

import pytest

pytest.importorskip("tmrl_msgs", reason="needs the built ROS workspace: ./tmrl run pytest")

from tmrl_msgs import msg
from tmrl_recorder.file_names import FOLDER
from tmrl_recorder.testing import record_pictures

sync_api = pytest.importorskip("playwright.sync_api")

pytestmark = pytest.mark.ros

SIZE = {"width": 1180, "height": 820}
TIMEOUT_MS = 30_000


class Person:
    """Somebody in front of the page."""

    def __init__(self, context, cell):
        self.cell, self.requests, self.errors = cell, [], []
        self.page = context.new_page()
        self.page.set_default_timeout(TIMEOUT_MS)
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("websocket", lambda socket: self.requests.append(socket.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(cell.address)
        self.page.wait_for_selector("#banner:not(.offline)")

    def sees(self, text, where="#state"):
        """Waits until the page says something."""
        self.page.wait_for_selector(f"{where}:text-is('{text}')", timeout=TIMEOUT_MS)

    def presses(self, key):
        self.page.keyboard.press(key)

    def answer(self):
        self.page.wait_for_selector("#answer.done, #answer.refused")
        return self.page.text_content("#answer")


@pytest.fixture
def sit_down(start_cell, browser):
    """Opens the page in a browser of its own."""
    contexts = []

    def start(cell=None, colours="light", **parameters):
        # A busy machine lets a browser wait for longer than the standard 150 ms.
        cell = cell or start_cell(max_silence_s=0.5, **parameters)
        contexts.append(browser.new_context(viewport=SIZE, color_scheme=colours, has_touch=True))
        return Person(contexts[-1], cell)

    yield start
    for context in contexts:
        context.close()


def test_keys_start_label_and_undo_an_episode(sit_down):
    person = sit_down()
    session = person.cell.session
    person.page.fill("#name", "ada")
    person.presses("Enter")
    person.presses("g")
    person.sees("Arm holds")
    session.mode = msg.ControllerStatus.POLICY
    person.sees("Running")
    person.presses("s")
    person.sees("Resetting")
    assert "Episode 1 is labelled" in person.answer()
    assert session.labels == {1: msg.EpisodeOutcome.SUCCESS}
    person.page.wait_for_selector("#rate:has-text('100 %')")
    person.presses("u")
    person.cell.until(lambda: ("operator/undo", "ada") in session.asked, "the undo")
    assert person.page.text_content("#start span") == "Scene is ready"
    person.presses("g")
    person.sees("Running")
    person.presses("f")
    person.cell.until(lambda: session.labels.get(2) == msg.EpisodeOutcome.FAILURE, "the label")
    assert {name for _, name in session.asked if name} == {"ada"}


def test_during_a_reset_the_first_episodes_start_lies_faintly_over_the_picture(sit_down):
    person = sit_down()
    page, session = person.page, person.cell.session
    assert page.locator("#cameras .begun[src]").count() == 0
    session.begin()
    page.wait_for_selector("#cameras figure:nth-child(2) .begun[src]", state="attached")
    begun = page.get_attribute("#cameras .begun", "src")
    session.move_to(msg.EpisodeState.RESETTING)
    faint = sync_api.expect(page.locator("#cameras .begun").first)
    faint.to_have_css("opacity", "0.5", timeout=TIMEOUT_MS)
    assert page.is_visible("#cameras .faint-word")
    session.begin()
    faint.to_have_css("opacity", "0", timeout=TIMEOUT_MS)
    page.reload()
    page.wait_for_selector("#cameras .begun[src]", state="attached")
    assert page.get_attribute("#cameras .begun", "src") == begun, "it stays the first one's"


def test_an_episode_is_watched_again_beside_the_cameras(sit_down, tmp_path):
    record_pictures(tmp_path / FOLDER, 1, ["overview", "wrist"], [0.0, 1.0, 2.0])
    person = sit_down(run_dir=str(tmp_path))
    page, session = person.page, person.cell.session
    session.begin()
    person.sees("Arm holds")
    person.presses("f")
    page.wait_for_selector("#rate:has-text('0 %')")
    session.doubts = [1]
    page.click("#doubts button:text-is('1')")
    person.sees("Episode 1: failure", "#watch-word")
    video = sync_api.expect(page.locator("#watch-video"))
    video.to_have_js_property("videoWidth", 560, timeout=TIMEOUT_MS)
    assert page.is_visible("#cameras img")
    page.click("#watch-close")
    assert not page.is_visible("#watch")
    page.click("#curve", position={"x": 46, "y": 40})
    person.sees("Episode 1: failure", "#watch-word")
    session.doubts = [2]
    page.click("#doubts button:text-is('2')")
    page.wait_for_selector("#watch-word:has-text('no finished recording')")
    assert not person.errors


def test_typing_a_name_asks_for_nothing_but_escape_still_stops(sit_down):
    person = sit_down()
    person.page.click("#name")
    person.page.keyboard.type("ghsfudrp")
    assert person.page.input_value("#name") == "ghsfudrp"
    assert not person.cell.session.asked
    person.presses("Escape")
    person.sees("E-stop")


def test_a_key_that_a_pedal_repeats_counts_once(sit_down):
    person = sit_down(keys=["F9=success"])
    session = person.cell.session
    session.begin()
    person.page.wait_for_selector("#episode:text-is('Episode 1')")
    # All in one go, as a pedal that bounces does; a test that presses keys may be slower than it.
    person.page.evaluate(
        """() => {
          const key = (type, repeat) =>
            window.dispatchEvent(new KeyboardEvent(type, { code: "F9", repeat }));
          key("keydown", false);
          for (let i = 0; i < 3; i++) key("keydown", true);
          key("keyup", false);
          key("keydown", false);
          key("keyup", false);
        }"""
    )
    person.sees("Resetting")
    assert [name for name, _ in session.asked].count("operator/label") == 1


def test_hold_then_estop_then_clearing_with_a_name(sit_down):
    person = sit_down(real_controller=True)
    page = person.page
    person.presses("h")
    person.answer()
    page.click("#estop")
    person.sees("E-stop")
    assert "/widowx/console" in page.text_content("#hint")
    page.click("#clear")
    page.click("dialog button[value=yes]")
    assert page.is_visible("#clearing"), "a name is asked for"
    page.fill("#clearing-name", "ada")
    page.click("dialog button[value=yes]")
    page.wait_for_selector("#banner:not(.estop)")


def test_escape_stops_also_over_the_open_dialog(sit_down):
    person = sit_down(real_controller=True)
    person.presses("Escape")
    person.sees("E-stop")
    person.page.click("#clear")
    person.page.fill("#clearing-name", "ada")
    person.presses("Escape")
    assert "latched" in person.answer()
    assert person.page.is_visible("#clearing")
    person.sees("E-stop")


def tool_x(person):
    arm = person.page.evaluate("fetch('/api/state').then(a => a.json())").get("arm")
    return arm["tool_mm"][0] if arm else None


def drive(person, *keys):
    """Holds the switch; as a person, again where a busy machine made the page fall silent."""
    keyboard = person.page.keyboard

    def drives():
        for key in ("Space", *keys):
            keyboard.up(key)
        for key in ("Space", *keys):
            keyboard.down(key)
        try:
            person.page.wait_for_selector("#state:text-is('You drive')", timeout=3000)
        except sync_api.TimeoutError:
            return False
        return True

    person.cell.until(drives, "the person to drive")


def test_a_held_key_takes_the_arm_and_letting_go_holds_it(sit_down):
    person = sit_down(real_controller=True)
    person.cell.until(lambda: tool_x(person) is not None, "an arm state")
    before = tool_x(person)
    drive(person, "ArrowDown")
    person.cell.until(lambda: tool_x(person) < before - 10, "the tool to move back")
    person.page.keyboard.up("Space")
    person.page.wait_for_selector("#banner:not(.teleop)")
    assert not person.cell.session.readings[-1].active
    assert person.errors == []


@pytest.mark.parametrize(
    "loss",
    [
        "window.dispatchEvent(new Event('blur'))",
        "Object.defineProperty(document, 'hidden', {value: true}),"
        " document.dispatchEvent(new Event('visibilitychange'))",
        "(() => { const end = performance.now() + 1500; while (performance.now() < end); })()",
    ],
    ids=["blur", "hidden", "hung"],
)
def test_whatever_takes_the_page_away_lets_go(sit_down, loss):
    person = sit_down(real_controller=True)
    drive(person, "ArrowUp")
    readings = person.cell.session.readings
    seen = len(readings)
    person.page.evaluate(loss)
    person.cell.until(lambda: not all(r.active for r in readings[seen:]), "the release")
    person.page.wait_for_selector("#banner:not(.teleop)")


def test_a_closed_page_lets_go(sit_down):
    person = sit_down(real_controller=True)
    drive(person)
    readings = person.cell.session.readings
    person.page.close()
    person.cell.until(lambda: not readings[-1].active, "the release")


def test_one_drives_at_a_time(sit_down):
    one = sit_down(real_controller=True)
    other = sit_down(cell=one.cell)

    def is_refused():
        # A busy machine may make the first page fall silent, and the second one may drive then.
        other.page.keyboard.up("Space")
        drive(one, "ArrowUp")
        other.page.keyboard.down("Space")
        try:
            other.page.wait_for_selector(
                "#drive-word.refused:has-text('another page drives')", timeout=3000
            )
        except sync_api.TimeoutError:
            return False
        return True

    one.cell.until(is_refused, "the second one to be refused")
    other.sees("A person drives")
    one.page.keyboard.up("Space")
    one.page.wait_for_selector("#banner:not(.teleop)")
    drive(other)


def test_a_thumb_on_the_screen_drives(sit_down):
    person = sit_down(real_controller=True)
    box = person.page.locator("#deadman").bounding_box()
    person.page.mouse.move(box["x"] + 20, box["y"] + 20)
    person.page.mouse.down()
    person.sees("You drive")
    person.page.mouse.up()
    person.page.wait_for_selector("#banner:not(.teleop)")


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_everything_is_on_the_screen_and_nothing_comes_from_elsewhere(sit_down, colours):
    person = sit_down(colours=colours)
    session, page = person.cell.session, person.page
    session.begin()
    for number in range(30):
        session.propose(0.03 * number, 1.0 + 0.05 * number, driven=number % 7 == 0)
    session.suggestion = msg.EpisodeOutcome.SUCCESS
    page.wait_for_selector("#suggestion:visible")
    width_px = "document.querySelector('#cameras img').naturalWidth"
    person.cell.until(lambda: page.evaluate(width_px) == 224, "a picture")
    for name in ("#start", "[data-do=success]", "[data-do=undo]", "#deadman", "#estop"):
        box = page.locator(name).bounding_box()
        assert box["y"] + box["height"] <= SIZE["height"], name
    page_size = page.evaluate(
        "[document.documentElement.scrollHeight, document.documentElement.scrollWidth]"
    )
    assert page_size == [SIZE["height"], SIZE["width"]]
    assert "no hardware e-stop" in page.text_content("#no-hardware")
    own = person.cell.address.removeprefix("http:"), "blob:"
    foreign = [url for url in person.requests if not url.split(":", 1)[1].startswith(own[0])]
    assert [url for url in foreign if not url.startswith("blob:")] == []
    assert person.errors == []


def test_a_console_that_dies_is_said_at_once(sit_down):
    person = sit_down()
    person.cell.console.destroy_node()
    person.sees("No connection")
    person.presses("Escape")
    assert "hardware e-stop" in person.answer()
