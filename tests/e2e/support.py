"""`tapewatch serve` as processes that tests start, watch and kill, and what they leave behind."""

import multiprocessing
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import msgspec
import polars as pl

from tapewatch.feeds.simulator import Plan, SimulatorConfig, frames
from tapewatch.feeds.writers import write_ticks
from tapewatch.model.alerts import Alert
from tapewatch.model.signals import Signal
from tapewatch.runtime.embedded import DATABASE

COMMAND = (sys.executable, "-c", "from tapewatch.runtime.cli import main; main()")
MARKET = SimulatorConfig(
    seed=7,
    stocks=3,
    crypto=2,
    start=date(2025, 3, 3),
    days=3,
    plan=Plan(rate=6.0, times=(2.0, 4.0), min_distance_min=30),
)
PATIENCE_S = 300.0
"""How long a whole run may take, compiling included, before a test gives up: a busy machine takes minutes."""
BAD_ROWS = (
    "2025-03-03T05:10:00Z,binance,AUR/USDT,0.1,0.1,abc,0.1,5",
    "yesterday,binance,AUR/USDT,0.1,0.1,0.1,0.1,5",
    "2025-03-03T05:20:00Z,binance,,0.1,0.1,0.1,0.1,5",
    "nothing at all",
)
_ADDRESS = re.compile(r"tapewatch serves (http://\S+)")


def write_market(path: Path, config: SimulatorConfig = MARKET) -> Path:
    """A simulated market with planted anomalies as a CSV file, with rows that nobody can read every 500 rows."""
    with path.open("wb") as out:
        write_ticks(frames(config), out)
    lines = path.read_text().splitlines(keepends=True)
    for number, at in enumerate(range(len(lines) - 100, 100, -500)):
        lines.insert(at, BAD_ROWS[number % len(BAD_ROWS)] + "\n")
    path.write_text("".join(lines))
    return path


def wait_until(true: Callable[[], object], timeout_s: float, what: str) -> None:
    """Look every few milliseconds; fail the test where it does not come true."""
    give_up = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < give_up, f"waited {timeout_s} s for {what}"
        time.sleep(0.005)


def http_get(address: str, **params: str | int) -> httpx.Response:
    """A GET; parameters, where there are any, replace those of the address."""
    return httpx.get(address, params=params or None, timeout=20, verify=False)  # plain HTTP; certificates load slowly


@dataclass
class Server:
    """One process of `tapewatch serve`, whose standard error goes to a file."""

    pid: int
    log: Path
    end: Callable[[float], int | None]  # waits so many seconds for the exit code

    @property
    def address(self) -> str:
        """Where its API is; waits until it says so."""
        wait_until(lambda: _ADDRESS.search(self.log.read_text()), 60, f"{self.log} to say where it serves")
        found = _ADDRESS.search(self.log.read_text())
        assert found is not None
        return found[1]

    def kill(self) -> None:
        """SIGKILL: nothing can be tidied up."""
        os.kill(self.pid, signal.SIGKILL)
        assert self.end(30) == -signal.SIGKILL, self.log.read_text()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Ask it to end, and see that it does so in order."""
        os.kill(self.pid, number)
        assert self.end(60) == 0, self.log.read_text()
        assert "Traceback" not in self.log.read_text()

    def get(self, path: str, **params: str | int) -> Any:
        """JSON of a GET."""
        answer = http_get(self.address + path, **params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def ready(self) -> None:
        """Wait until /readyz says so."""

        def is_ready() -> bool:
            try:
                return http_get(self.address + "/readyz").status_code == 200
            except httpx.TransportError:
                return False

        wait_until(is_ready, PATIENCE_S, "/readyz")


def start(log: Path, *args: str | Path, stdin: Any = subprocess.DEVNULL) -> Server:
    """`tapewatch ARGS` as a process of its own."""
    with log.open("wb") as out:
        process = subprocess.Popen([*COMMAND, *map(str, args)], stdin=stdin, stderr=out, stdout=out, cwd=log.parent)

    def end(timeout_s: float) -> int | None:
        return process.wait(timeout_s)

    return Server(process.pid, log, end)


class Forker:
    """Starts servers in milliseconds: forks of one process that has imported everything and compiled the rules."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["tests.e2e.preloaded"])

    def start(self, log: Path, *args: str | Path, out: Path | None = None, cwd: Path | None = None) -> Server:
        """As `start`; standard output to a file of its own, and in another folder, where they are given."""
        log.write_bytes(b"")
        words = [str(a) for a in args]
        files = (str(log), str(out or log), str(cwd or log.parent))
        process = self._context.Process(target=_run_command, args=(*files, words), daemon=True)
        process.start()
        assert process.pid is not None

        def end(timeout_s: float) -> int | None:
            process.join(timeout_s)
            return process.exitcode

        return Server(process.pid, log, end)


def _run_command(err: str, out: str, folder: str, args: list[str]) -> None:
    from tapewatch.runtime.cli import main

    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for name, number in ((out, 1), (err, 2)):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    os.environ["COLUMNS"] = "200"
    os.chdir(folder)
    main(args)


@dataclass(frozen=True)
class Left:
    """Everything that a data directory holds, save what the wall clock wrote."""

    next: int
    fates: dict[str, int]
    outbox: int
    alerts: list[Alert] = field(repr=False)
    signals: list[Signal] = field(repr=False)
    changes: list[tuple[int, Alert]] = field(repr=False)
    news: list[tuple[int, str, bytes]] = field(repr=False)
    incidents: list[bytes] = field(repr=False)
    dead: list[bytes] = field(repr=False)
    ticks: pl.DataFrame = field(repr=False)


def position(data_dir: Path) -> int:
    """The committed position of the one shard; 0 before there is any."""
    try:
        return int(rows(data_dir, "SELECT coalesce(max(next), 0) FROM shards")[0][0])
    except sqlite3.OperationalError:  # no database, or no table in it yet
        return 0


def what_is_left(data_dir: Path) -> Left:
    """Read a data directory that no process has open."""
    ((end, fates),) = rows(data_dir, "SELECT next, fates FROM shards")
    incidents = rows(data_dir, "SELECT incident_id, is_open, payload FROM incidents ORDER BY incident_id")
    return Left(
        next=end,
        fates=msgspec.json.decode(fates),
        outbox=rows(data_dir, "SELECT count(*) FROM outbox")[0][0],
        alerts=[_alert(p) for (p,) in rows(data_dir, "SELECT payload FROM alerts ORDER BY alert_id")],
        signals=[_signal(p) for (p,) in rows(data_dir, "SELECT payload FROM signals ORDER BY signal_id")],
        changes=[(seq, _alert(p)) for seq, p in rows(data_dir, "SELECT seq, payload FROM changes ORDER BY seq")],
        news=rows(data_dir, "SELECT seq, event, incident FROM changes WHERE event IS NOT NULL ORDER BY seq"),
        incidents=[msgspec.json.encode(row[:2]) + row[2] for row in incidents],
        dead=[p for (p,) in rows(data_dir, "SELECT payload FROM dead_letters ORDER BY seq")],
        ticks=_ticks(data_dir),
    )


def assert_same(found: Left, expected: Left) -> None:
    """Name what differs, not all of it."""
    assert (found.next, found.fates, found.outbox) == (expected.next, expected.fates, 0)
    for name in ("alerts", "signals", "changes", "news", "incidents", "dead"):
        ours, theirs = getattr(found, name), getattr(expected, name)
        differing = [pair for pair in zip(ours, theirs, strict=False) if pair[0] != pair[1]]
        assert not differing, f"{len(differing)} {name} differ, e.g. {differing[0]}"
        assert len(ours) == len(theirs), f"{len(ours)} {name}, expected {len(theirs)}"
    assert found.ticks.equals(expected.ticks), "the tick history differs"


def _ticks(data_dir: Path) -> pl.DataFrame:
    files = sorted((data_dir / "history").glob("*/venue=*/date=*/*.parquet"))
    return pl.concat([pl.read_parquet(f, hive_partitioning=True) for f in files]).sort("offset")


def _alert(payload: bytes) -> Alert:
    return msgspec.structs.replace(msgspec.json.decode(payload, type=Alert), timestamp_detection=None)


def _signal(payload: bytes) -> Signal:
    return msgspec.structs.replace(msgspec.json.decode(payload, type=Signal), timestamp_detection=None)


def rows(data_dir: Path, query: str) -> list[Any]:
    """What a query of the database gives, which a process may have open."""
    connection = sqlite3.connect(f"file:{data_dir / DATABASE}?mode=ro", uri=True, timeout=20)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()
