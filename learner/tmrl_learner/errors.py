"""Errors of the learner. Each message names the value, the limit and the remedy."""

from tmrl_common.errors import TmrlError


class LearnerError(TmrlError):
    """Root of every error that this package raises on purpose."""


class ReplayFullError(LearnerError):
    """One episode alone is longer than the whole replay buffer."""


class ResumeError(LearnerError):
    """A checkpoint does not belong to this configuration or is incomplete."""
