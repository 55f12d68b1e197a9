"""What is wrong with a data set."""

from tmrl_learner.errors import LearnerError


class DatasetError(LearnerError):
    """A data set cannot be used; the message names the file, what it holds and what is needed."""
