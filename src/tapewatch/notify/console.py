"""Notices as lines on a terminal."""

from typing import TextIO

import msgspec
from rich.console import Console
from rich.text import Text

from tapewatch.model.alerts import Severity
from tapewatch.notify.context import Context
from tapewatch.notify.names import NO_RECIPIENT
from tapewatch.notify.port import Delivery, Notice
from tapewatch.notify.wording import clean, subject

_STYLES: dict[Severity, str] = {"low": "dim", "medium": "yellow", "high": "bold red", "critical": "bold white on red"}
_RECIPIENT = "terminal"


class ConsoleSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Notices on standard error."""

    enabled: bool = True
    """Whether notices are written to the terminal."""

    sentence: bool = True
    """Whether the sentence that explains follows the first line."""

    def channels(self, context: Context) -> "tuple[ConsoleChannel, ...]":
        """The channel, or none where it is switched off."""
        return (ConsoleChannel(context.stream, sentence=self.sentence),) if self.enabled else ()


class ConsoleChannel:
    """Writes a line a notice to `stream`: coloured where that is a terminal, plain text elsewhere."""

    name = "console"
    recipients: tuple[str, ...] = (_RECIPIENT,)

    def __init__(self, stream: TextIO, *, sentence: bool = True) -> None:
        self._console = Console(file=stream, highlight=False, soft_wrap=True)
        self._sentence = sentence

    def deliver(self, notice: Notice, recipient: str, message_id: str) -> Delivery:  # noqa: ARG002 - as the port has it
        """Write it. A stream that is closed is given up; one that cannot take it now (full disk) is tried again."""
        if recipient not in self.recipients:
            return NO_RECIPIENT
        line = Text(clean(notice.alert.timestamp) + "  ", style="dim")
        line.append(subject(notice), style=_STYLES[notice.incident.severity])
        if self._sentence:
            line.append("\n    " + clean(notice.incident.message))
        try:
            self._console.print(line)
            self._console.file.flush()
        except (BrokenPipeError, ValueError):  # ValueError: what a closed stream raises
            return Delivery("give_up", "the terminal is gone")
        except OSError as error:
            return Delivery("retry", f"the terminal cannot be written: {error.strerror or type(error).__name__}")
        return Delivery("done")
