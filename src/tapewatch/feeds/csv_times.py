"""Times in text, read a column at a time: epoch in four units, ISO 8601 with and without offset, plain dates, and dates
with the year at their end where it is known whether day or month comes first."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tapewatch.model.times import FIRST_YEAR, LAST_YEAR, LIMIT_NS, SECOND_NS

_UNITS = ((10**10, SECOND_NS), (10**13, 10**6), (10**16, 10**3))  # below the bound it is s, ms, us; else ns
_DATES = (19_000_101, 21_001_231)  # whole numbers in this range are dates written YYYYMMDD
_EPOCH = r"^[+-]?\d{1,19}(?:\.\d*)?$"
_ISO = (
    r"^(?P<y>\d{4})[-/.]?(?P<m>\d\d)[-/.]?(?P<d>\d\d)"
    r"(?:[Tt ] *(?P<H>[01]\d|2[0-3])(?::?(?P<M>[0-5]\d)(?::?(?P<S>[0-5]\d)(?:[.,](?P<f>\d{1,9}))?)?)?"
    r" *(?P<z>[Zz]|(?:[+-](?:[01]\d|2[0-3])(?::?[0-5]\d)?))?)?$"
)
_YEAR_LAST = (
    r"^(?P<a>\d{1,2})[./-](?P<b>\d{1,2})[./-](?P<y>\d{4})"
    r"(?:(?:[Tt]|,? +)(?P<H>\d{1,2})(?P<rest>:[^AaPp]*?)(?: *(?P<half>[AaPp])\.?[Mm]\.?)?)?$"
)
_year_last = re.compile(_YEAR_LAST).match
DateOrder = Literal["dmy", "mdy"]
"""What comes first in a date whose year is at its end."""


@dataclass(frozen=True, slots=True)
class TextTimes:
    """Arrays of one length: the time, whether it was written without an offset (then it is local), whether it could be
    read at all."""

    ns: NDArray[np.int64]
    naive: NDArray[np.bool_]
    readable: NDArray[np.bool_]


def epoch_to_ns(values: NDArray[np.int64]) -> tuple[NDArray[np.int64], bool]:
    """Whole numbers since the epoch to nanoseconds, the unit of each told by its magnitude; False where one is outside
    the years that fit or may be a date: then the whole column needs `read_times`.

    Below 1e10 it is seconds, below 1e13 ms, below 1e16 us, else ns: right for 1970-04-27 to 2286 and, in ns, to 2262.
    """
    if values.size == 0:
        return values, True
    low, high = int(values.min()), int(values.max())
    unit = _unit(low)
    plain = low >= 10**8 and unit == _unit(high) and high * unit <= LIMIT_NS
    return (values * unit, True) if plain else (values, False)


def _unit(value: int) -> int:
    return next((unit for bound, unit in _UNITS if value < bound), 1)


def has_year_last(text: str) -> bool:
    """Whether it is a date such as 04/07/2025, with or without a time of day."""
    return _year_last(text) is not None


def date_order(texts: Iterable[str]) -> DateOrder | None:
    """What comes first in dates such as 04/07/2025: the place that never goes beyond 12 is the month. With points
    (07.04.2025) it is the day, since nobody writes it otherwise. None where the texts do not tell.

    >>> date_order(["04/07/2025", "04/14/2025"]), date_order(["07.04.2025"]), date_order(["04/07/2025"])
    ('mdy', 'dmy', None)
    """
    found = [match for match in map(_year_last, texts) if match is not None]
    first, second = (any(int(match[place]) > 12 for match in found) for place in ("a", "b"))
    if first != second:
        return "dmy" if first else "mdy"
    points = not first and all(match[0].count(".") >= 2 and "/" not in match[0] for match in found)
    return "dmy" if found and points else None


def read_times(texts: pl.Series, order: DateOrder | None = None) -> TextTimes:
    """Read stripped texts. Dates with the year at their end need an `order`; without it they cannot be read. Cost: some
    hundred ns a text; the fast reader spares it where every row is alike."""
    frame = pl.DataFrame({"t": _year_first(texts.fill_null(""), order) if order else texts.fill_null("")})
    parts = pl.col("t").str.extract_groups(_ISO)
    epoch = pl.col("t").str.contains(_EPOCH)
    frame = frame.select(
        epoch=epoch,
        whole=pl.when(epoch).then(pl.col("t").str.extract(r"^([+-]?\d+)")).cast(pl.Int64, strict=False),
        part=pl.when(epoch).then(_nine_digits(pl.col("t").str.extract(r"\.(\d*)$"))),
        iso=parts,
    ).unnest("iso")
    frame = frame.with_columns(date=pl.col("whole").is_between(*_DATES) & (pl.col("part") == 0))
    epoch_ns, epoch_ok = _epoch_texts(frame)
    iso_ns, iso_ok = _iso_texts(frame)
    is_epoch = (frame["epoch"] & ~frame["date"].fill_null(False)).to_numpy()
    ns: NDArray[np.int64] = np.where(is_epoch, epoch_ns, iso_ns)
    ok: NDArray[np.bool_] = np.where(is_epoch, epoch_ok, iso_ok)
    naive = ~is_epoch & frame["z"].is_null().to_numpy()
    return TextTimes(ns, naive & ok, ok)


def _year_first(texts: pl.Series, order: DateOrder) -> pl.Series:
    """Those with the year at their end as ISO 8601; hours of 12 as hours of 24."""
    day, month = ("a", "b") if order == "dmy" else ("b", "a")
    frame = texts.to_frame("t").with_columns(pl.col("t").str.extract_groups(_YEAR_LAST).alias("g")).unnest("g")
    hour, half = pl.col("H").cast(pl.Int32), pl.col("half").str.to_lowercase()
    of_24 = pl.when(half.is_null()).then(hour).otherwise(hour % 12 + pl.when(half == "p").then(12).otherwise(0))
    of_24 = pl.when(half.is_null() | hour.is_between(1, 12)).then(of_24).otherwise(99)
    clock = pl.concat_str([pl.lit("T"), of_24.cast(pl.String).str.zfill(2), pl.col("rest")])
    date = pl.concat_str([pl.col("y"), pl.col(month).str.zfill(2), pl.col(day).str.zfill(2)], separator="-")
    iso = date + pl.when(hour.is_null()).then(pl.lit("")).otherwise(clock)
    return frame.select(pl.when(pl.col("y").is_null()).then("t").otherwise(iso).alias("t"))["t"]


def _nine_digits(digits: pl.Expr) -> pl.Expr:
    return digits.fill_null("").str.slice(0, 9).str.pad_end(9, "0").cast(pl.Int64)


def _epoch_texts(frame: pl.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    ok = frame["whole"].is_not_null().to_numpy()
    whole = frame["whole"].fill_null(0).to_numpy()
    part = frame["part"].fill_null(0).to_numpy()
    size = np.abs(whole)
    unit = np.select([size < bound for bound, _ in _UNITS], [unit for _, unit in _UNITS], 1).astype(np.int64)
    fits = (size <= LIMIT_NS // unit) & (size >= 0)
    sign: NDArray[np.int64] = np.where(whole < 0, -1, 1)
    ns: NDArray[np.int64] = np.where(fits, whole, 0) * unit + sign * (part * unit // SECOND_NS)
    return ns, ok & fits


def _iso_texts(frame: pl.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    number = [pl.col(c).cast(pl.Int32, strict=False) for c in "ymd"]
    clock = [pl.col(c).fill_null("0").cast(pl.Int64, strict=False) for c in "HMS"]
    zone = pl.col("z").str.extract_groups(r"^([+-])(\d\d):?(\d\d)?$")
    away = [zone.struct.field(str(i)).fill_null("0").cast(pl.Int64, strict=False) for i in (2, 3)]
    read = frame.select(
        day=pl.concat_str([pl.col(c) for c in "ymd"], separator="-").str.to_date("%Y-%m-%d", strict=False),
        year=number[0],
        seconds=clock[0] * 3600 + clock[1] * 60 + clock[2],
        fraction=_nine_digits(pl.col("f")),
        away=(away[0] * 3600 + away[1] * 60) * pl.when(zone.struct.field("1") == "-").then(-1).otherwise(1),
    )
    inside = read["year"].is_between(FIRST_YEAR, LAST_YEAR).fill_null(False)
    ok = (read["day"].is_not_null() & inside).to_numpy()
    days = read["day"].cast(pl.Int64).fill_null(0).to_numpy()
    seconds = read["seconds"].fill_null(0).to_numpy() - read["away"].fill_null(0).to_numpy()
    ns = (np.where(ok, days, 0) * 86_400 + seconds) * SECOND_NS + read["fraction"].fill_null(0).to_numpy()
    return ns, ok
