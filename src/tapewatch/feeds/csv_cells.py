"""The strict reading of a block of CSV: every cell as text, every row accounted for, every fault named.

The fast reader hands a block over as soon as anything in it is unusual; what both can read they read alike.
"""

import re
from dataclasses import dataclass, field

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from tapewatch.feeds.csv_layout import Layout

_SHOWN = 40
NOT_UTF_8 = "\ufffd"
"""What stands in a cell for bytes that are not text."""


@dataclass(slots=True)
class Cells:
    """Stripped texts of the columns in use, one row a line that is not blank; faulty rows have null cells."""

    columns: dict[int, pl.Series]
    lines: list[bytes]
    numbers: list[int]  # line of each row, counting from 0 at the top of the block
    is_text: bool  # else NOT_UTF_8 stands in some cells
    faults: dict[int, str] = field(default_factory=dict)  # row -> what is wrong with it; the first fault is kept

    def blame(self, rows: NDArray[np.bool_], field_name: str, column: int, what: str) -> None:
        """Name the fault of these rows' cells in one column: missing where empty, else `what`."""
        texts = self.columns[column]
        for row in np.flatnonzero(rows):
            text = texts[int(row)]
            reason = f"{field_name} is missing" if not text else f"{field_name} {what}: {text[:_SHOWN]!r}"
            self.faults.setdefault(int(row), reason)


def read_cells(data: bytes, layout: Layout, use: list[int]) -> Cells:
    """Split whole lines into cells. A newline always ends a row, quoted or not: one stray quote costs one row."""
    is_text = True
    try:
        data.decode()
    except UnicodeDecodeError:
        is_text = False
        data = data.decode("utf-8", "replace").encode()
    lines = data.split(b"\n")
    numbers = [i for i, line in enumerate(lines) if line.strip(b"\r")]
    faults = _stray(data, [lines[i] for i in numbers], layout)
    if faults:  # left out before the splitting, where a quote that is never closed would swallow other rows
        data = b"".join(lines[i] + b"\n" for row, i in enumerate(numbers) if row not in faults)
    sound = np.setdiff1d(np.arange(len(numbers)), list(faults))
    table, narrow = _split(data, layout, use)
    if table.num_rows + len(narrow) != sound.size:
        raise AssertionError(f"{layout.file}: {sound.size} lines were split into {table.num_rows + len(narrow)} rows")
    faults |= {int(sound[row]): reason for row, reason in narrow.items()}
    good = np.setdiff1d(np.arange(len(numbers)), list(faults))
    place: list[int | None] = [None] * len(numbers)
    for i, row in enumerate(good.tolist() if faults else ()):
        place[row] = i
    columns = {}
    for name, column in zip(use, table.columns, strict=True):
        text = pl.Series(pl.from_arrow(column)).str.strip_chars()
        columns[name] = text.gather(pl.Series(place, dtype=pl.UInt32)) if faults else text
    return Cells(columns, lines, numbers, is_text, faults)


def _stray(data: bytes, lines: list[bytes], layout: Layout) -> dict[int, str]:
    """Rows with a quote that neither opens nor closes a cell, or a carriage return inside: they are not CSV."""
    if b'"' not in data and b"\r" not in data.replace(b"\r\n", b""):
        return {}
    mark = re.escape(layout.delimiter)
    cell = rf'(?:"(?:[^"\r]|"")*"|[^"\r{mark}]*)'
    texts = pl.Series([line.decode() for line in lines], dtype=pl.String)
    sound = texts.str.contains(rf"^{cell}(?:{mark}{cell})*\r*$").to_numpy()
    return dict.fromkeys(np.flatnonzero(~sound).tolist(), "not a row of CSV: a stray quote or carriage return")


def _split(data: bytes, layout: Layout, use: list[int]) -> tuple[pa.Table, dict[int, str]]:
    faults: dict[int, str] = {}

    def skip(row: pa_csv.InvalidRow) -> str:
        faults[row.number - 1] = f"{row.actual_columns} columns instead of {layout.width}"
        return "skip"

    names = [f"c{i}" for i in range(layout.width)]
    used = [names[i] for i in use]
    try:
        table = pa_csv.read_csv(
            pa.BufferReader(data),
            read_options=pa_csv.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=names),
            parse_options=pa_csv.ParseOptions(delimiter=layout.delimiter, invalid_row_handler=skip),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(used, pa.string()), include_columns=used, strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid:  # there is no row at all
        table = pa.table({name: pa.array([], pa.string()) for name in used})
    return table, faults
