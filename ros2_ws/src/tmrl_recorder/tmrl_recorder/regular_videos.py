"""Makes the video of every so many-th episode, for whoever looks at the run from elsewhere."""

import subprocess
import sys
from pathlib import Path

from tmrl_recorder.file_names import recordings_of, unfinished_videos, video_of


class RegularVideos:
    """One process at a time, at low priority: encoding must delay nothing of the session.

    Args:
        folder: Of the recordings.
        every: The first episode gets a video, and each `every`-th from there on; 0: none does.
    """

    def __init__(self, folder: Path, every: int) -> None:
        self._folder = folder
        self._every = every
        self._tried: set[int] = set()
        self._looked_at_ns = 0
        self._process: subprocess.Popen[str] | None = None

    def check(self) -> str:
        """Begins the next one that is due; to be called regularly.

        Returns:
            Why the last one was not made; empty where it was.
        """
        problem = ""
        if self._process is not None:
            if self._process.poll() is None:
                return ""
            _, complaint = self._process.communicate()
            problem = complaint.strip().rpartition("\n")[2] if self._process.returncode else ""
            self._process = None
        due = self._next() if self._every else None
        if due is not None:
            self._tried.add(due)
            command = [sys.executable, "-m", "tmrl_recorder.video", str(self._folder), str(due)]
            self._process = subprocess.Popen(
                command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
            )
        return problem

    def close(self) -> None:
        """Ends the one that is being made; a half one leaves no file."""
        if self._process is not None:
            self._process.terminate()
            self._process.communicate()
            for half in unfinished_videos(self._folder, self._process.pid):
                half.unlink()
            self._process = None

    def _next(self) -> int | None:
        """The first episode that is due, is recorded and has no video.

        A folder to which nothing was added since none was due is not read again: it grows long.
        """
        changed_ns = self._folder.stat().st_mtime_ns
        if changed_ns == self._looked_at_ns:
            return None
        for episode in recordings_of(self._folder):
            is_due = (episode - 1) % self._every == 0 and episode not in self._tried
            if is_due and not video_of(self._folder, episode).exists():
                return episode
        self._looked_at_ns = changed_ns
        return None
