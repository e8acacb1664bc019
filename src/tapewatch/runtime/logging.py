"""The program's own log: text for people on a terminal, one JSON object a line elsewhere; secrets are blotted out."""

import json
import logging
import sys
import traceback
from collections.abc import Iterable, Mapping
from typing import TextIO

from tapewatch.model.times import format_rfc3339
from tapewatch.runtime.config.settings import LoggingSettings
from tapewatch.runtime.tracing import current_trace_id

HIDDEN = "***"
_SHORTEST_SECRET = 4  # blotting out shorter ones would tell more than it hides
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


_CALMER: Mapping[str, str] = {"elastic_transport": "warning", "celery.worker.strategy": "warning"}
"""Libraries that write a line a call; `levels` of the settings goes over these."""


def configure_logging(
    settings: LoggingSettings, *, secrets: Iterable[str] = (), stream: TextIO | None = None
) -> logging.Handler:
    """Send all logging to `stream` (standard error), once; a second call replaces the first.

    `secrets` are texts that appear nowhere in the output, whatever library logs them: see `config.show.secrets_in`.
    Returns the handler.
    """
    stream = stream or sys.stderr
    as_text = settings.format == "text" or (settings.format == "auto" and stream.isatty())
    handler = logging.StreamHandler(stream)
    handler.setFormatter((_TextFormatter if as_text else _JsonFormatter)(secrets))
    root = logging.getLogger()
    for old in list(root.handlers):
        if isinstance(old.formatter, _TextFormatter | _JsonFormatter):
            root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(settings.level.upper())
    for name, level in ({**_CALMER, **settings.levels}).items():
        logging.getLogger(name).setLevel(level.upper())
    logging.captureWarnings(True)
    return handler


class _Blotter:
    """Replaces secrets in a text, the longest first, so that one inside another leaves no rest."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = sorted({s for s in secrets if len(s) >= _SHORTEST_SECRET}, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return text


def _extra(record: logging.LogRecord) -> dict[str, object]:
    extra = {key: value for key, value in vars(record).items() if key not in _STANDARD and not key.startswith("_")}
    trace_id = current_trace_id()
    return {"trace_id": trace_id, **extra} if trace_id else extra


class _TextFormatter(logging.Formatter):
    """`12:30:05 warning tapewatch.feeds: message (key=value)`, in local time."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s", datefmt="%H:%M:%S")
        self._blot = _Blotter(secrets)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name is the standard library's
        text = f"{record.asctime} {record.levelname.lower():<7} {record.name}: {record.message}"
        extra = " ".join(f"{key}={value}" for key, value in _extra(record).items())
        return f"{text} ({extra})" if extra else text

    def format(self, record: logging.LogRecord) -> str:
        return self._blot(super().format(record))


class _JsonFormatter(logging.Formatter):
    """`{"time": RFC 3339, "level", "logger", "message", ...extra, "exception"}` on one line."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__()
        self._blot = _Blotter(secrets)

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": format_rfc3339(int(record.created * 1_000) * 1_000_000),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        for key, value in _extra(record).items():
            line.setdefault(key, value)
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = "".join(traceback.format_exception(record.exc_info[1]))
        return json.dumps({key: self._clean(value) for key, value in line.items()}, ensure_ascii=False)

    def _clean(self, value: object) -> object:
        """Something that JSON can say, without secrets at any depth."""
        if isinstance(value, bool | int | float) or value is None:
            return value
        if isinstance(value, Mapping):
            return {self._blot(str(key)): self._clean(item) for key, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._clean(item) for item in value]
        return self._blot(str(value))
