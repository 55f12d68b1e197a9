"""Keys: made once, secret where they must be, never replaced."""

import stat
from pathlib import Path

import pytest

from tmrl_cli.keys import main
from tmrl_common.transport.curve import client_security


def test_a_pair_is_made_that_a_client_can_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine, servers = tmp_path / "keys" / "robot.key", tmp_path / "keys" / "server.key"
    assert main([str(mine)]) == main([str(servers)]) == 0
    assert stat.S_IMODE(mine.stat().st_mode) == 0o600
    security = client_security(str(mine), f"{servers}.pub")
    assert security is not None
    text = capsys.readouterr().out
    assert security.keys.public.decode() in text
    assert security.keys.secret.decode() not in text


def test_a_key_that_is_there_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "robot.key"
    main([str(path)])
    before = path.read_bytes()
    assert main([str(path)]) == 2
    assert path.read_bytes() == before
    assert "keep the key that is there" in capsys.readouterr().err
