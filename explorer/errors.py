"""The two kinds of trouble that the command line reports in one sentence."""


class ExplorerError(Exception):
    """Something the user can understand and mend; the message is one whole sentence.

    `exit_code` is what the command line exits with.
    """

    exit_code = 2


class InputError(ExplorerError):
    """Bad input: a file, a field and its value are named in the message."""

    exit_code = 2


class EnvironmentFailure(ExplorerError):  # noqa: N818  (an environment fails; it is no "error" of the user's)
    """The store, the disk or the cluster failed; finished work is kept and a second run resumes."""

    exit_code = 3
