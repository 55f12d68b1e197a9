"""Where things lie in a checkout."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Layout:
    """Paths of one checkout; `root` is the folder that holds the `tmrl` executable."""

    root: Path

    @property
    def venv(self) -> Path:
        """Virtual environment; with the ROS wheels it is an ament prefix as well."""
        return self.root / ".venv"

    @property
    def python(self) -> Path:
        """Interpreter of the virtual environment."""
        return self.venv / "bin" / "python"

    @property
    def lock_file(self) -> Path:
        """Exact pins of all Python packages."""
        return self.root / "requirements.lock"

    @property
    def pip_packages(self) -> tuple[Path, ...]:
        """Our own packages that pip installs in place."""
        names = (
            "common",
            "policies",
            "policy_server",
            "learner",
            "sim",
            "experiments",
            "tools",
        )
        return tuple(self.root / name for name in names)

    @property
    def colcon_base_paths(self) -> tuple[Path, ...]:
        """Folders in which colcon looks for packages."""
        return (self.root / "ros2_ws" / "src", self.root / "launch")

    @property
    def build(self) -> Path:
        """Colcon's build folder."""
        return self.root / "ros2_ws" / "build"

    @property
    def install(self) -> Path:
        """Colcon's install folder, one prefix per package."""
        return self.root / "ros2_ws" / "install"

    @property
    def colcon_log(self) -> Path:
        """Log folder of colcon."""
        return self.root / "ros2_ws" / "log"

    @property
    def setup_state(self) -> Path:
        """Logs and the lock of set-up itself."""
        return self.root / ".setup"
