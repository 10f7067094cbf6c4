"""Why a scenario cannot be run on a machine."""


class CannotRun(Exception):  # noqa: N818  (not an error: a reason)
    """The message says what the machine lacks."""
