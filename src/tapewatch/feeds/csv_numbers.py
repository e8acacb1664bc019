"""Numbers as people write them: with a decimal point or comma, and thousands apart or not."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from tapewatch.model.ticks import Column

_SUFFIXES = {"k": 1e3, "m": 1e6, "b": 1e9}
_EITHER = re.compile(r"[+-]?\d+,\d{3}")


@dataclass(frozen=True, slots=True)
class Marks:
    """What a file writes before the decimals, and between thousands; "" where it does not show which that is."""

    decimal: str = "."
    group: str = ""


def learn_marks(cells: Sequence[str], delimiter: str) -> Marks:
    """Told by prices at the head of a file. `218.70` and `1,218.705` can have a decimal point only, so that a comma
    groups, and the other way round; `1,218` alone could be either: a decimal comma where commas do not separate cells,
    else unknown.

    >>> learn_marks(["10,218.70", "9,000"], ","), learn_marks(["1.218,7"], ";"), learn_marks(["1,218"], ",")
    (Marks(decimal='.', group=','), Marks(decimal=',', group='.'), Marks(decimal='.', group=''))
    """
    texts = [cell.strip() for cell in cells]
    point, comma = (any(sure.fullmatch(t) for t in texts) for sure in (_sure(".", ","), _sure(",", ".")))
    if point != comma:
        return Marks(".", ",") if point else Marks(",", ".")
    either = not point and delimiter != "," and any(_EITHER.fullmatch(t) for t in texts)
    return Marks(",") if either else Marks()


def _sure(decimal: str, group: str) -> re.Pattern[str]:
    d, g = re.escape(decimal), re.escape(group)
    grouped = rf"\d{{1,3}}(?:{g}\d{{3}})+"
    return re.compile(rf"[+-]?(?:\d+{d}(?:\d{{1,2}}|\d{{4,}})|{grouped}{d}\d+)")


def read_numbers(texts: pl.Series, marks: Marks) -> Column:
    """The numbers of stripped texts; NaN where there is none. Thousands have to be three digits each; a K, M or B at
    the end (`97.77M`) multiplies."""
    suffix = texts.str.extract(r"\d([KMBkmb])$").str.to_lowercase()
    if suffix.null_count() == len(suffix):
        return _plain_numbers(texts, marks)
    times = suffix.replace_strict(_SUFFIXES, default=1.0, return_dtype=pl.Float64).to_numpy()
    numbers: Column = _plain_numbers(texts.str.head(-1).zip_with(suffix.is_not_null(), texts), marks) * times
    return numbers


def _plain_numbers(texts: pl.Series, marks: Marks) -> Column:
    if marks.group:
        d, g = re.escape(marks.decimal), re.escape(marks.group)
        apart = texts.str.contains(rf"^[+-]?\d{{1,3}}(?:{g}\d{{3}})+(?:{d}\d*)?$").fill_null(False)
        if apart.any():
            texts = texts.str.replace_all(marks.group, "", literal=True).zip_with(apart, texts)
    if marks.decimal == ",":  # a point is neither decimal nor, by now, between thousands
        texts = texts.str.replace_all(".", "?", literal=True).str.replace_all(",", ".", literal=True)
    return texts.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy(writable=True)
