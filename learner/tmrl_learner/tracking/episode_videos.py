"""Videos of episodes that somebody else leaves in the run's directory."""

from pathlib import Path


class EpisodeVideos:
    """Finds each video once; those that were there before the run are not news.

    Args:
        run_dir: Directory of the run. They appear in `recordings` below it, each whole under its
            name (`episode_0026.mp4`); a learner on another machine than the robot's has none.
    """

    def __init__(self, run_dir: Path) -> None:
        self._folder = run_dir / "recordings"
        self._known = set(self._there())

    def take_new(self) -> list[Path]:
        """Returns those that have appeared since the last call, by name."""
        new = [path for path in self._there() if path not in self._known]
        self._known.update(new)
        return new

    def _there(self) -> list[Path]:
        return sorted(self._folder.glob("episode_*.mp4"))
