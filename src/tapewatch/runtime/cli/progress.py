"""Progress of long work on standard error: rate and time left on a terminal, nothing elsewhere."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO

from rich.console import Console
from rich.filesize import pick_unit_and_suffix
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text


class Advance(Protocol):
    """What the work calls: `done` more units are done; `total` where it is known only now, or better."""

    def __call__(self, done: float = 0, *, total: float | None = None) -> None: ...


class RateColumn(ProgressColumn):
    """`4.2M rows, 1.3M rows/s`."""

    max_refresh = 0.5  # a rate that changes ten times a second cannot be read

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        speed = task.completed / task.elapsed if task.elapsed else 0.0  # rich's own leaves the first batch out
        rate = f", {_short(speed)} {self._unit}/s" if speed else ""
        return Text(f"{_short(task.completed)} {self._unit}{rate}", style="progress.data.speed")


def _short(number: float) -> str:
    unit, suffix = pick_unit_and_suffix(int(number), ["", "k", "M", "G"], 1000)
    return f"{number / unit:.1f}{suffix}" if suffix else f"{number:.0f}"


@contextmanager
def progress(
    text: str, *, total: float | None = None, unit: str = "rows", quiet: bool = False, stream: TextIO | None = None
) -> Iterator[Advance]:
    """Show how far the work in the block is. Nothing is written where `stream` (standard error) is no terminal.

    `total` is in `unit`s; None where nobody knows: then there is a rate and no time left. Calling costs about a
    microsecond where nothing is shown, so report by batches.

    >>> with progress("Reading", total=2) as advance:
    ...     advance(1)
    """
    stream = stream or sys.stderr
    console = Console(file=stream)
    if quiet or not console.is_terminal:
        yield _ignore
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        RateColumn(unit),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(text, total=total)

        def advance(done: float = 0, *, total: float | None = None) -> None:
            if total is not None:
                bar.update(task, total=total)
            if done:
                bar.advance(task, done)

        yield advance


def _ignore(done: float = 0, *, total: float | None = None) -> None:
    pass
