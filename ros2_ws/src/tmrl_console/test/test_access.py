"""Who may use the console."""

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmrl_common.testing.fake_clock import FakeClock
from tmrl_console.access import (
    ATTEMPTS,
    ATTEMPTS_WINDOW_S,
    LOGIN_LASTS_S,
    Access,
    AccessError,
    PasswordHash,
    read_password,
)
from tmrl_console.password import main, write_password

HASH = PasswordHash.of("correct horse")


class Wall:
    now_s = 1_000_000.0

    def __call__(self):
        return self.now_s


def locked(password=HASH):
    clock, wall = FakeClock(), Wall()
    return Access(password, clock, wall_s=wall), clock, wall


@pytest.mark.parametrize(
    ("origin", "host", "same"),
    [
        ("http://127.0.0.1:8350", "127.0.0.1:8350", True),
        ("http://localhost:8350", "localhost:8350", True),
        ("http://[::1]:8350", "[::1]:8350", True),
        ("http://127.0.0.1:8351", "127.0.0.1:8350", False),
        ("http://evil.example", "127.0.0.1:8350", False),
        # A name of somebody else's that points here: its pages have an origin of their own.
        ("http://evil.example:8350", "evil.example:8350", False),
        ("null", "127.0.0.1:8350", False),
        ("file://", "127.0.0.1:8350", False),
        (None, "127.0.0.1:8350", False),
        ("http://127.0.0.1:8350", "", False),
        ("http://[", "127.0.0.1:8350", False),
    ],
)
def test_only_the_consoles_own_page_is_of_its_origin(origin, host, same):
    assert Access(None, FakeClock()).same_origin(origin, host) is same


def test_with_a_password_the_name_may_be_any_and_the_cookie_counts():
    access, _, wall = locked()
    assert access.same_origin("http://robot.lab:8350", "robot.lab:8350")
    assert not access.may_enter(None)
    cookie = access.log_in("correct horse")
    assert access.may_enter(cookie)
    assert Access(HASH, FakeClock(), wall_s=wall).may_enter(cookie), "after a restart, too"
    assert not locked(PasswordHash.of("correct horse"))[0].may_enter(cookie), "another password"
    wall.now_s += LOGIN_LASTS_S + 1
    assert not access.may_enter(cookie)


@given(st.text(max_size=100))
def test_no_other_cookie_lets_anybody_in(cookie):
    access, _, _ = locked()
    assert not access.may_enter(cookie)


def test_a_login_cannot_be_made_to_last():
    access, _, wall = locked()
    end, _, signature = access.log_in("correct horse").partition(".")
    wall.now_s += LOGIN_LASTS_S + 1
    assert not access.may_enter(f"{int(end) * 10}.{signature}")


def test_whoever_guesses_must_wait():
    access, clock, _ = locked()
    for _ in range(ATTEMPTS):
        assert access.wait_s() == 0.0
        assert access.log_in("wrong horse") == ""
    assert access.wait_s() == pytest.approx(ATTEMPTS_WINDOW_S)
    clock.advance(ATTEMPTS_WINDOW_S)
    assert access.wait_s() == 0.0
    assert access.log_in("correct horse")


def test_without_a_password_nobody_is_asked():
    assert Access(None, FakeClock()).may_enter(None)


def test_a_password_is_kept_as_a_hash_that_only_its_owner_reads(tmp_path):
    path = tmp_path / "deep" / "console.password"
    write_password(path, "correct horse")
    assert path.stat().st_mode & 0o777 == 0o600
    assert "horse" not in path.read_text()
    kept = read_password(path)
    assert kept.fits("correct horse")
    assert not kept.fits("Correct horse")


def test_a_file_that_cannot_be_used_is_refused_by_name(tmp_path):
    path = tmp_path / "console.password"
    with pytest.raises(AccessError, match=r"cannot be read .*tmrl_console\.password"):
        read_password(path)
    for content in ("", "{}", "[]", '{"salt": "x", "digest": ""}', "\udcff"):
        path.write_bytes(content.encode(errors="surrogateescape"))
        os.chmod(path, 0o600)
        with pytest.raises(AccessError, match="holds no password's hash"):
            read_password(path)
    path.write_text(json.dumps(HASH.as_dict()))
    os.chmod(path, 0o644)
    with pytest.raises(AccessError, match="chmod 600"):
        read_password(path)


@pytest.mark.parametrize(
    ("answers", "code"),
    [(["correct horse"] * 2, 0), (["correct horse", "correct house"], 2), (["short"], 2)],
)
def test_the_command_asks_twice(tmp_path, monkeypatch, answers, code):
    given_answers = iter(answers)
    monkeypatch.setattr("getpass.getpass", lambda _: next(given_answers))
    path = tmp_path / "console.password"
    assert main([str(path)]) == code
    assert path.exists() is (code == 0)
