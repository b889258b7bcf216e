"""The errors a user can cause; each is one line that says what was found, what is wanted and how to fix it."""


class SelftrainError(Exception):
    """An error the command line prints as one line, without a traceback."""


class ConfigError(SelftrainError):
    """The configuration, or an argument of a command, cannot be used."""


class DataError(SelftrainError):
    """A file of problems or responses cannot be used."""


class WorkspaceError(SelftrainError):
    """The workspace is locked, was made by another configuration, or cannot be written."""


class MissingExtraError(SelftrainError):
    """A library of an optional extra is not installed."""

    def __init__(self, library: str, extra: str) -> None:
        super().__init__(f"{library} is not installed: run pip install 'selftrain[{extra}]'")
