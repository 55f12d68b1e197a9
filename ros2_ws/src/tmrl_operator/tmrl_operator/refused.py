"""The refusal of a person's request."""


class RefusedError(Exception):
    """A request of a person that is not possible now; the text says what is."""
