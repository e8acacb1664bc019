"""`tapewatch dead-letters`."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tapewatch.runtime.cli.common import command_app, state_of

if TYPE_CHECKING:
    from tapewatch.runtime.dead_letters import Letter, Letters

app = command_app()
_WIDTH = 60

KafkaFlag = Annotated[
    bool,
    typer.Option("--kafka", help="Those of the cluster's topic; else of the data directory, where that holds data."),
]
DataDir = Annotated[Path | None, typer.Option(metavar="DIR", help="Which data directory.")]
Numbers = Annotated[list[int], typer.Argument(metavar="NUMBER", help="Numbers that `list` shows.")]


@app.command("list")
def list_letters(
    ctx: typer.Context,
    kafka: KafkaFlag = False,
    data_dir: DataDir = None,
    after: Annotated[int, typer.Option(help="Only those after this number.")] = 0,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
) -> None:
    """List records that could not be read: number, place, reason.

    \b
    Examples:
      tapewatch dead-letters list
      tapewatch dead-letters list --kafka --after 120
    """
    shown, last = 0, after
    for letter in _open(ctx, kafka, data_dir).after(after):
        if shown == limit:
            typer.echo(f"there are more: --after {last}", err=True)
            break
        last, shown = letter.number, shown + 1
        typer.echo(f"{letter.number:>6}  {letter.place}  {_short(letter.reason)}")
    if not shown:
        typer.echo("no dead letters", err=True)


@app.command()
def show(ctx: typer.Context, numbers: Numbers, kafka: KafkaFlag = False, data_dir: DataDir = None) -> None:
    """Show dead letters whole: where they stood, why they were not read, and what they were.

    \b
    Examples:
      tapewatch dead-letters show 3 --kafka
    """
    for letter in _wanted(_open(ctx, kafka, data_dir), numbers):
        typer.echo(f"number   {letter.number}\nplace    {letter.place}")
        if letter.key is not None:
            typer.echo(f"key      {letter.key.decode(errors='replace')}")
        typer.echo(f"reason   {letter.reason}")
        if letter.is_cut:
            typer.echo("text     (its beginning; the rest was not kept)")
        typer.echo(letter.original.decode(errors="backslashreplace") + "\n")


@app.command()
def replay(
    ctx: typer.Context,
    numbers: Numbers,
    kafka: KafkaFlag = False,
    data_dir: DataDir = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the rows there; else to the output.")] = None,
) -> None:
    """Have dead letters read again, once what was wrong is set right.

    Those of the cluster are written again, as they were, to the partitions that they came from. Of a data directory,
    their rows are written out, to be corrected and read by `tapewatch replay` or `serve`.

    \b
    Examples:
      tapewatch dead-letters replay 3 4 5 --kafka
      tapewatch dead-letters replay 12 --out corrected.csv
    """
    from tapewatch.model.errors import InputError

    letters = _open(ctx, kafka, data_dir)
    found = list(_wanted(letters, numbers))
    if letters.can_replay:
        if out is not None:
            raise InputError("--out is for the letters of a data directory")
        letters.replay(found)
        typer.echo(f"{len(found)} written again to {', '.join(sorted({x.source for x in found}))}", err=True)
        return
    cut = [letter.number for letter in found if letter.is_cut]
    if cut:
        raise InputError(f"of {cut} only the beginning was kept: take them from the file that they came from")
    rows = b"".join(letter.original.rstrip(b"\n") + b"\n" for letter in found)
    if out is None:
        sys.stdout.buffer.write(rows)
    else:
        out.write_bytes(rows)


def _open(ctx: typer.Context, kafka: bool, data_dir: Path | None) -> "Letters":
    from tapewatch.runtime.config.layers import Flag
    from tapewatch.runtime.dead_letters import open_letters

    settings = state_of(ctx).load([Flag("--data-dir", "data_dir", data_dir)]).settings
    return open_letters(settings, kafka=kafka or (None if data_dir is None else False))


def _wanted(letters: "Letters", numbers: list[int]) -> Iterable["Letter"]:
    from tapewatch.model.errors import InputError

    wanted = set(numbers)
    for letter in letters.after(min(wanted) - 1):
        if letter.number in wanted:
            wanted.remove(letter.number)
            yield letter
        if not wanted:
            return
    raise InputError(f"there is no dead letter {', '.join(map(str, sorted(wanted)))}")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _WIDTH else line[: _WIDTH - 3] + "..."
