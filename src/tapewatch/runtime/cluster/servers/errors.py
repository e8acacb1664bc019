"""Why a server is not there: its software cannot be had, or it was started and failed."""

from pathlib import Path

from tapewatch.model.errors import GiveUpError


class ServerMissingError(GiveUpError):
    """The server's software, or what it needs to run, is neither on this machine nor to be had from a registry."""


class ServerFailedError(GiveUpError):
    """The server was started and died or did not answer in time; the text ends with the last lines of its log."""

    def __init__(self, name: str, what: str, log: Path, tail: str) -> None:
        super().__init__(f"{name} {what}; the end of {log}:\n{tail.strip() or '(nothing was logged)'}")


class DownloadError(ServerMissingError):
    """A registry did not deliver what was asked for."""
