"""`tapewatch status`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tapewatch.runtime.cli.common import command_app, state_of

if TYPE_CHECKING:  # imported where it is used: `status --help` shall not pay for it
    from rich.table import Table

    from tapewatch.runtime.status import Status

app = command_app()


@app.command()
def status(
    ctx: typer.Context,
    data_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Look at what one process keeps here, not at the cluster.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Show how an installation is, on one screen: partitions, owners, lag, epochs, outbox, workers, servers.

    Exits with 3 where a server does not answer. Without --data-dir it is the cluster that is asked, or, where the
    settings' data directory holds the database of one process, that.

    \b
    Examples:
      tapewatch status
      tapewatch status --data-dir tapewatch-demo
      tapewatch status --json | jq '.shards[] | select(.lag > 1000)'
    """
    import msgspec

    from tapewatch.model.errors import RetryableError
    from tapewatch.runtime.embedded import DATABASE
    from tapewatch.runtime.status.embedded import embedded_status

    settings = state_of(ctx).load().settings
    folder = data_dir or (settings.data_dir if (settings.data_dir / DATABASE).is_file() else None)
    if folder is not None:
        found = embedded_status(folder)
    else:
        from tapewatch.runtime.status.cluster import cluster_status

        found = cluster_status(settings)
    if as_json:
        shown = msgspec.to_builtins(found)
        for shard, one in zip(shown["shards"], found.shards, strict=True):
            shard["lag"] = one.lag
        typer.echo(msgspec.json.format(msgspec.json.encode(shown)).decode())
    else:
        _print(found)
    if not found.healthy:
        silent = ", ".join(server.name for server in found.servers if server.trouble)
        raise RetryableError(f"cannot be asked: {silent}")


def _print(found: "Status") -> None:
    from rich.console import Console

    console = Console()
    for server in found.servers:
        trouble = f"[bold red]{server.trouble}[/]" if server.trouble else "[green]answers[/]"
        console.print(f"{server.name:<14} {server.address:<28} {trouble}", highlight=False)
    console.print(_shards(found))
    if found.groups:
        console.print(_groups(found))
    if found.mode == "cluster":
        console.print(_workers(found) if found.workers else "no worker answers")
        console.print(f"batches that wait for a worker  {_text(found.queued)}", highlight=False)
    console.print(f"alerts                          {_text(found.alerts)}", highlight=False)


def _shards(found: "Status") -> "Table":
    table = _table("shard", "owner", "end", "next", "lag", "epoch", "outbox", "records by fate")
    for shard in found.shards:
        fates = " ".join(f"{name} {count:,}" for name, count in shard.fates.items() if count)
        numbers = [_text(value) for value in (shard.end, shard.next, shard.lag, shard.epoch, shard.outbox)]
        table.add_row(shard.name, shard.owner or "nobody", *numbers, fates)
    return table


def _groups(found: "Status") -> "Table":
    table = _table("consumer group", "state", "members", "lag")
    for group in found.groups:
        table.add_row(group.name, group.state, str(len(group.members)), _text(group.lag))
    return table


def _workers(found: "Status") -> "Table":
    table = _table("worker", "queues", "processes", "tasks done")
    for worker in found.workers:
        table.add_row(worker.name, ", ".join(worker.queues), str(worker.processes), f"{worker.done:,}")
    return table


def _table(*names: str) -> "Table":
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for name in names:
        right = name in {"end", "next", "lag", "epoch", "outbox", "members", "processes", "tasks done"}
        table.add_column(name, justify="right" if right else "left", overflow="fold", no_wrap=name != "records by fate")
    return table


def _text(number: int | None) -> str:
    return "-" if number is None else f"{number:,}"
