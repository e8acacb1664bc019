"""Options that several commands have, so that they are called the same and explained the same."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:  # imported where it is used: help shall not pay for it
    from tapewatch.runtime.config.layers import Flag

Begin = Annotated[str | None, typer.Option("--from", metavar="TIME", help="First tick, RFC 3339 or date.")]
End = Annotated[str | None, typer.Option("--to", metavar="TIME", help="Ticks before this.")]
Symbol = Annotated[str | None, typer.Option(help="Symbol of files that name none.")]
Venue = Annotated[str | None, typer.Option(help="Venue of ticks that name none: XNAS, binance, ...")]
Zone = Annotated[str | None, typer.Option(help="Zone of times without an offset; else the venue's.")]
Interval = Annotated[str | None, typer.Option(help="Length of a bar, e.g. 1m; else told from the data.")]
Dates = Annotated[
    str | None, typer.Option(metavar="dmy|mdy", help="What 04/07/2025 begins with, where the file does not tell.")
]
Columns = Annotated[str | None, typer.Option("--map", metavar="FIELD=COLUMN,...", help="Which column holds what.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]


def feed_flags(given: Mapping[str, str | None]) -> "list[Flag]":
    """As settings of the feed: `{"symbol": "TSLA"}` is what `--symbol TSLA` gave."""
    from tapewatch.runtime.config.layers import Flag

    return [Flag(f"--{name}", f"feed.{name}", value) for name, value in given.items()]
