"""The strict reading of a block of CSV: every cell as text, every row accounted for, every fault named.

The fast reader hands a block over as soon as anything in it is unusual; what both can read they read alike.
"""

import csv
from dataclasses import dataclass, field

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from tapewatch.feeds.csv_layout import Layout

_SHOWN = 40


@dataclass(slots=True)
class Cells:
    """Stripped texts of the columns in use, one row a line that is not blank; faulty rows have null cells."""

    columns: dict[int, pl.Series]
    lines: list[bytes]
    numbers: list[int]  # line of each row, counting from 0 at the top of the block
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
    try:
        data.decode()
    except UnicodeDecodeError:
        data = data.decode("utf-8", "replace").encode()
    lines = data.split(b"\n")
    numbers = [i for i, line in enumerate(lines) if line.strip(b"\r")]
    table, faults = _split_fast(data, layout, use)
    if table.num_rows + len(faults) != len(numbers) or b"\r" in data.replace(b"\r\n", b""):
        table, faults = _split_lines([lines[i] for i in numbers], layout, use)
    good = np.setdiff1d(np.arange(len(numbers)), np.fromiter(faults, np.int64, len(faults)))
    place = np.full(len(numbers), -1, np.int64)
    place[good] = np.arange(good.size)
    indices = pl.Series([None if at < 0 else at for at in place.tolist()], dtype=pl.UInt32) if faults else None
    columns = {}
    for name, column in zip(use, table.columns, strict=True):
        text = pl.Series(pl.from_arrow(column)).str.strip_chars()
        columns[name] = text if indices is None else text.gather(indices)
    return Cells(columns, lines, numbers, faults)


def _split_fast(data: bytes, layout: Layout, use: list[int]) -> tuple[pa.Table, dict[int, str]]:
    faults: dict[int, str] = {}

    def skip(row: pa_csv.InvalidRow) -> str:
        faults[row.number - 1] = _width_fault(row.actual_columns, layout)
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
    except pa.ArrowInvalid:  # e.g. no row at all has the right width; the lines are then split one at a time
        return pa.table({name: pa.array([], pa.string()) for name in used}), {}
    return table, faults


def _split_lines(lines: list[bytes], layout: Layout, use: list[int]) -> tuple[pa.Table, dict[int, str]]:
    """One line at a time, for blocks in which quotes or carriage returns do not agree with the lines: rare."""
    faults: dict[int, str] = {}
    texts: list[list[str]] = [[] for _ in use]
    for row, line in enumerate(lines):
        try:
            cells = next(csv.reader([line.decode().rstrip("\r")], delimiter=layout.delimiter, strict=True), [])
        except csv.Error as error:
            faults[row] = f"not a row of CSV: {error}"
            continue
        if len(cells) != layout.width:
            faults[row] = _width_fault(len(cells), layout)
            continue
        for column, i in zip(texts, use, strict=True):
            column.append(cells[i])
    return pa.table({f"c{i}": pa.array(column, pa.string()) for i, column in zip(use, texts, strict=True)}), faults


def _width_fault(actual: int, layout: Layout) -> str:
    return f"{actual} columns instead of {layout.width}"
