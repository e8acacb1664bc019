"""Labels from a CSV file: what `generate --labels` writes, or a few columns that somebody typed."""

from datetime import datetime
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo

import msgspec
import polars as pl

from tapewatch.alerts.labels import Label
from tapewatch.detection.calendars import venue_info
from tapewatch.model.errors import InputError
from tapewatch.model.instruments import default_venue
from tapewatch.model.times import datetime_to_ns, parse_rfc3339

NAMES = {"time": "onset", "timestamp": "onset", "until": "end"}
WAYS = ("rise", "drop", "none")
DEFAULTS = {"is_trap": "false", "size": "0", "size_times": "0", "note": ""}


def read_labels(source: BinaryIO) -> list[Label]:
    """The labels of a CSV file with the columns `symbol` and `time` (or `onset`), and as many of these as there are:
    `venue` (else by the symbol), `kind` (else `event`), `direction` (rise, drop, none; else any), `end` (else the
    onset), `is_trap`, `size`, `size_times`, `note`, `event`.

    Times are RFC 3339, or without an offset in the venue's zone. InputError with the line for what is not a label.
    """
    try:
        frame = pl.read_csv(source, infer_schema=False).fill_null("")
    except pl.exceptions.PolarsError as error:
        raise InputError(f"not a file of labels: {error}") from None
    frame = frame.rename({c: NAMES[c] for c in frame.columns if c in NAMES})
    unknown = set(frame.columns) - set(Label.__struct_fields__) - {"onset", "end"}
    if missing := {"symbol", "onset"} - set(frame.columns):
        raise InputError(f"labels have no column {' and '.join(sorted(missing))}")
    if unknown:
        raise InputError(f"labels have unknown columns: {', '.join(sorted(unknown))}")
    found: list[Label] = []
    for line, row in enumerate(frame.to_dicts(), start=2):
        try:
            found.append(_label(row, line))
        except (InputError, msgspec.ValidationError, ValueError) as error:
            raise InputError(f"line {line} of the labels: {error}") from None
    return found


def _label(row: dict[str, Any], line: int) -> Label:
    # Any: msgspec converts it below
    given: dict[str, Any] = {"event": str(line), "kind": "event", "direction": "none"} | DEFAULTS
    given |= {name: value for name, value in row.items() if value != ""}
    given.setdefault("venue", default_venue(given["symbol"]))
    zone = venue_info(given["venue"]).zone
    onset_ns, end = _time(given.pop("onset"), zone), given.pop("end", None)
    given |= {"onset_ns": onset_ns, "end_ns": _time(end, zone) if end else onset_ns}
    if given["direction"] not in WAYS:
        raise InputError(f"direction {given['direction']!r} is none of {', '.join(WAYS)}")
    return msgspec.convert(given, Label, strict=False)


def _time(text: str, zone: str) -> int:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        return datetime_to_ns(moment.replace(tzinfo=ZoneInfo(zone)))
    return parse_rfc3339(text)
