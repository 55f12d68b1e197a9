"""A journal has one agent per arm, whatever a person starts twice."""

import signal
import subprocess
import sys

import pytest

from tmrl_agent.journal import JournalError
from tmrl_agent.journal.lock import only_writer

HOLDER = """
import sys, time
from pathlib import Path
from tmrl_agent.journal.lock import only_writer
with only_writer(Path(sys.argv[1]), "widowx"):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def journal(tmp_path):
    return tmp_path / "journal.sqlite"


def test_a_second_agent_is_refused_until_the_first_was_killed(journal):
    command = [sys.executable, "-c", HOLDER, str(journal)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        refusal = pytest.raises(JournalError, match=f"process {holder.pid}.*run_dir:=DIR")
        with refusal, only_writer(journal, "widowx"):
            pass
        with only_writer(journal, "franka"):
            pass
        holder.send_signal(signal.SIGKILL)
    with only_writer(journal, "widowx"):
        pass


def test_a_folder_that_is_gone_is_named(tmp_path):
    with pytest.raises(JournalError, match="gone"), only_writer(tmp_path / "gone" / "j", "widowx"):
        pass
