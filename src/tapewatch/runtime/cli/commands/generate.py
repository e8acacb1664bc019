"""`tapewatch generate`."""

import sys
import time
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, Literal, cast

import typer

from tapewatch.runtime.cli.common import command_app, state_of
from tapewatch.runtime.cli.options import Symbol, Venue, feed_flags
from tapewatch.runtime.cli.progress import progress

if TYPE_CHECKING:  # imported where they are used: `generate --help` shall not pay for them
    from tapewatch.feeds.port import Feed
    from tapewatch.feeds.simulator import SimulatorConfig
    from tapewatch.tape.segment import SegmentTape

app = command_app()
TEXTS = ("csv", "jsonl")
TAPE, KAFKA = ".tape", "kafka"


@app.command()
def generate(
    ctx: typer.Context,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Where to (.csv, .jsonl, or .tape); else stdout.")
    ] = None,
    to: Annotated[str | None, typer.Option(metavar="kafka", help="Write to Kafka instead of a file.")] = None,
    topic: Annotated[
        str | None, typer.Option(help="Topic, made where it is missing; else the settings' first.")
    ] = None,
    labels: Annotated[Path | None, typer.Option(metavar="FILE", help="Write what was planted, as CSV.")] = None,
    instruments: Annotated[
        Path | None, typer.Option(metavar="FILE", help="With --traps: write the splits that are announced, as TOML.")
    ] = None,
    file: Annotated[
        list[str] | None, typer.Option(help="Replay this file instead of simulating; may be repeated.")
    ] = None,
    symbol: Symbol = None,
    venue: Venue = None,
    text: Annotated[
        str, typer.Option("--format", metavar="csv|jsonl", help="Format; else by the ending of --out, else csv.")
    ] = "",
    speed: Annotated[float, typer.Option(min=0, help="Times real time; 0 is as fast as possible.")] = 0.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same market.")] = 1,
    stocks: Annotated[int, typer.Option(help="How many stocks.")] = 8,
    crypto: Annotated[int, typer.Option(help="How many crypto pairs.")] = 4,
    days: Annotated[int, typer.Option(help="How many days.")] = 5,
    start: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", show_default="2025-03-03", help="First day.")
    ] = datetime(2025, 3, 3),  # noqa: DTZ001 - a date
    trades: Annotated[bool, typer.Option("--trades", help="Trades instead of bars.")] = False,
    interval: Annotated[str, typer.Option(help="Length of a bar.")] = "1m",
    clean: Annotated[bool, typer.Option("--clean", help="Plant nothing.")] = False,
    times: Annotated[float, typer.Option(help="Size of what is planted, against once in 100 symbol-days.")] = 1.5,
    traps: Annotated[bool, typer.Option("--traps", help="Plant traps too, which must not fire.")] = False,
    ops_port: Annotated[
        int | None, typer.Option(help="With --to kafka: port of /metrics and /readyz; 0 lets the system choose.")
    ] = None,
) -> None:
    """Generate a simulated market with planted, labelled anomalies, or replay a historical file at a chosen speed.

    \b
    Examples:
      tapewatch generate --days 2 --out market.csv --labels labels.csv
      tapewatch generate --traps --out market.csv --labels labels.csv --instruments instruments.toml
      tapewatch generate --out market.tape   # a tape: tapewatch replay market.tape
      tapewatch generate --trades --speed 1 --format jsonl | head
      tapewatch generate --file TSLA_1min_sample.csv --speed 60
      tapewatch generate --to kafka --file TSLA_1min_sample.csv --topic tsla-data
    """
    from tapewatch.alerts.labels import ANOMALY_KINDS, TRAP_KINDS
    from tapewatch.detection.durations import duration_ns
    from tapewatch.feeds.simulator import Plan, SimulatorConfig
    from tapewatch.model.errors import InputError
    from tapewatch.runtime.cli.paths import check_apart

    kinds = (*ANOMALY_KINDS, *TRAP_KINDS) if traps else ANOMALY_KINDS
    config = SimulatorConfig(
        seed=seed,
        stocks=stocks,
        crypto=crypto,
        start=start.date(),
        days=days,
        mode="trades" if trades else "bars",
        interval_s=duration_ns(interval) // 10**9,
        plan=None if clean else Plan(kinds=kinds, times=(times, times)),
    )
    if labels is not None and (file or clean):
        raise InputError("--labels tells what was planted: it goes with neither --file nor --clean")
    if instruments is not None and (file or clean or not traps):
        raise InputError("--instruments tells which splits are announced: they are among --traps")
    if clean and traps:
        raise InputError("--clean plants nothing, --traps plants more: choose one")
    chosen = _chosen(out, to, topic, text, ops_port)
    check_apart(file or (), ("--labels", labels), ("--instruments", instruments), ("--out", out))
    source = _file_feed(ctx, file, symbol, venue) if file else None
    tape = _new_tape(out) if out is not None and out.suffix == TAPE else None
    _write_beside(config, labels, instruments)
    if to:
        _publish(ctx, config, source, topic, speed, ops_port)
        return
    if tape is not None:
        typer.echo(f"{_write_tape(config, source, tape, speed):,} records in {out}", err=True)
        return
    with ExitStack() as stack:
        target = stack.enter_context(out.open("wb")) if out is not None else sys.stdout.buffer
        written = _write(config, source, target, chosen, speed)
    typer.echo(f"{written:,} records" + (f" in {out}" if out is not None else ""), err=True)


def _chosen(
    out: Path | None, to: str | None, topic: str | None, text: str, ops_port: int | None
) -> Literal["csv", "jsonl"]:
    """The format of a file; InputError for options that contradict each other."""
    from tapewatch.model.errors import InputError

    if to not in (None, KAFKA):
        raise InputError(f"--to {to!r} is not known; write kafka, or --out FILE for a file")
    if to and (out is not None or text):
        raise InputError("--to kafka goes with neither --out nor --format")
    if (topic or ops_port is not None) and not to:
        raise InputError("--topic and --ops-port go with --to kafka")
    chosen = text or ("jsonl" if out is not None and out.suffix in {".jsonl", ".json", ".ndjson"} else "csv")
    if chosen not in TEXTS:
        raise InputError(f"--format {chosen!r} is not known; write csv or jsonl")
    return cast(Literal["csv", "jsonl"], chosen)


def _file_feed(ctx: typer.Context, files: list[str], symbol: str | None, venue: str | None) -> "Feed":
    from tapewatch.runtime.feeds import open_feed, with_sources

    flags = feed_flags({"symbol": symbol, "venue": venue})
    return open_feed(with_sources(state_of(ctx).load(flags).settings.feed, files, {}))


def _write(
    config: "SimulatorConfig", feed: "Feed | None", target: BinaryIO, text: Literal["csv", "jsonl"], speed: float
) -> int:
    from tapewatch.feeds.paced import paced
    from tapewatch.feeds.simulator import frames, market
    from tapewatch.feeds.writers import tick_frame, write_ticks

    with progress("Generating", unit="records", quiet=target is sys.stdout.buffer) as advance:
        done = 0

        def told(total: int) -> None:
            nonlocal done
            advance(total - done)
            done = total
            target.flush()

        if feed is None and not speed:
            return write_ticks(frames(config), target, text, told)
        source = paced(feed or market(config), speed or None, time.monotonic_ns, time.sleep)
        return write_ticks((tick_frame(batch.ticks) for batch in source.batches(0)), target, text, told)


def _new_tape(path: Path) -> "SegmentTape":
    """The tape to be written; InputError where one is there already, before anything else is written."""
    from tapewatch.model.errors import InputError
    from tapewatch.runtime.feeds import open_segment

    tape = open_segment(path)
    if there := tape.append([], 0):
        tape.close()
        raise InputError(f"--out {path}: a tape of {there:,} records is there already; take another name")
    return tape


def _write_tape(config: "SimulatorConfig", feed: "Feed | None", tape: "SegmentTape", speed: float) -> int:
    """Write a segment file, heartbeats included: a tape that `serve` and `replay` read, and read again."""
    from tapewatch.feeds.paced import paced
    from tapewatch.feeds.simulator import market
    from tapewatch.tape.feed import record

    after = 0
    source = paced(feed or market(config), speed or None, time.monotonic_ns, time.sleep)
    with progress("Generating", unit="records") as advance:
        for end in record(source.batches(0), tape, time.time_ns):
            advance(end - after)
            after = end
    tape.close()
    return after


def _publish(
    ctx: typer.Context,
    config: "SimulatorConfig",
    feed: "Feed | None",
    topic: str | None,
    speed: float,
    ops_port: int | None,
) -> None:
    from tapewatch.feeds.simulator import market
    from tapewatch.runtime.cluster.generator import publish
    from tapewatch.runtime.config.layers import Flag
    from tapewatch.runtime.config.show import secrets_in
    from tapewatch.runtime.logging import configure_logging

    settings = state_of(ctx).load([Flag("--ops-port", "ops.port", ops_port)]).settings
    configure_logging(settings.logging, secrets=secrets_in(settings))
    with progress("Generating", unit="records") as advance:
        done = publish(settings.kafka, feed or market(config), topic, speed, advance, settings.ops)
    typer.echo(
        f"{done.records:,} records as {done.messages:,} messages in topic {done.topic}, {done.partitions} partitions: "
        f"{done.messages / max(done.seconds, 1e-9):,.0f} messages/s",
        err=True,
    )


def _write_beside(config: "SimulatorConfig", labels: Path | None, instruments: Path | None) -> None:
    from tapewatch.feeds.simulator import labels as planted
    from tapewatch.feeds.simulator import splits
    from tapewatch.feeds.writers import write_instruments, write_labels

    if labels is not None:
        with labels.open("wb") as out:
            write_labels(planted(config), out)
    if instruments is not None:
        with instruments.open("wb") as out:
            write_instruments(splits(config), out)
