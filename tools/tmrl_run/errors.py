"""What cannot be read or made of a run."""

from tmrl_common.errors import LocalError


class RunError(LocalError):
    """A folder is no run, or lacks what is asked of it; the text says what to do."""
