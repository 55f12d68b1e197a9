"""Videos of past episodes, made when somebody asks for one, in a process of their own."""

import asyncio
import sys
from pathlib import Path

_MODULE = "tmrl_recorder.video"
_LONGEST_S = 120.0


class VideoError(Exception):
    """There is no video; the text says why."""


class Videos:
    """Makes them one by one: encoding in this process would delay whoever drives.

    Args:
        recordings: Folder of the recordings; it may not exist yet, or ever.
    """

    def __init__(self, recordings: Path) -> None:
        self._recordings = recordings
        self._one_by_one = asyncio.Lock()

    async def of(self, episode: int) -> Path:
        """Returns the file.

        Raises:
            VideoError: The episode has no recording, or none with pictures; the disk is full.
        """
        async with self._one_by_one:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", _MODULE, str(self._recordings), str(episode)),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            try:
                said, complained = await asyncio.wait_for(process.communicate(), _LONGEST_S)
            except TimeoutError:
                raise VideoError(f"no video of episode {episode} after {_LONGEST_S:g} s") from None
            finally:
                if process.returncode is None:
                    process.kill()
        if process.returncode != 0:
            raise VideoError(complained.decode(errors="replace").strip().rpartition("\n")[2])
        return Path(said.decode().strip())
