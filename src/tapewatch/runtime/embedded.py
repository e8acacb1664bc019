"""Embedded wiring: every store and the pipeline of one process over one data directory (or over memory)."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import msgspec

from tapewatch.detection.calibration import Calibration, read_calibration
from tapewatch.detection.engine import Engine
from tapewatch.detection.instruments import Facts, read_instruments
from tapewatch.feeds.port import Feed
from tapewatch.model.alerts import Alert
from tapewatch.model.errors import InputError
from tapewatch.runtime.config.rules import load_rules
from tapewatch.runtime.config.settings import RulesSettings
from tapewatch.runtime.config.tomlfile import read_toml
from tapewatch.runtime.coverage import WatchedCoverage
from tapewatch.runtime.holding import DirectoryLock
from tapewatch.runtime.pipeline import Pipeline, Sinks
from tapewatch.runtime.report_source import StoreReportSource
from tapewatch.stores.memory import (
    MemoryAlertStore,
    MemoryCaseStore,
    MemoryDeadLetterStore,
    MemoryGroupStore,
    MemoryShardStore,
)
from tapewatch.stores.parquet import ParquetTickHistory
from tapewatch.stores.parquet.combined import CombinedBars
from tapewatch.stores.sqlite import (
    Database,
    SqliteAlertStore,
    SqliteCaseStore,
    SqliteDeadLetterStore,
    SqliteGroupStore,
    SqliteShardStore,
)

DATABASE = "tapewatch.sqlite"
DEAD_KEPT = 1_000
"""Dead letters that a run without a data directory keeps: a file may have more bad rows than memory has room."""


def database_in(data_dir: Path, hint: str = "; --data-dir names the folder") -> Path:
    """The database that a data directory holds; InputError where it holds none, with the hint at its end."""
    path = data_dir / DATABASE
    if not path.exists():
        raise InputError(f"{data_dir} holds no tapewatch data{hint}")
    return path


def load_calibration(path: Path | None, instruments: Path | None = None) -> Calibration:
    """The calibration of a file, or the one that comes with tapewatch, with the facts of an instruments file."""
    found = _calibration(path)
    if instruments is None:
        return found
    calibration = msgspec.structs.replace(found, instruments=load_facts(instruments))
    calibration.table()  # names a group that does not exist
    return calibration


def load_facts(instruments: Path | None) -> dict[str, Facts]:
    """What the instruments file says, by VENUE:SYMBOL; nothing where there is none."""
    return read_instruments(read_toml(instruments).data, str(instruments)) if instruments is not None else {}


def _calibration(path: Path | None) -> Calibration:
    if path is None:
        data = resources.files("tapewatch.presets").joinpath("calibration.json").read_bytes()
        return read_calibration(data, "the calibration that comes with tapewatch")
    try:
        return read_calibration(path.read_bytes(), str(path))
    except OSError as error:
        raise InputError(f"calibration {path}: {error.strerror}") from None


def build_engine(settings: RulesSettings) -> Engine:
    """The engine for the rules and the calibration that the settings name."""
    calibration = load_calibration(settings.calibration, settings.instruments)
    return Engine(load_rules(settings).rules, calibration)


def memory_sinks() -> Sinks:
    """Stores that are gone when the process ends; of dead letters they keep the first."""
    return Sinks(
        MemoryShardStore(),
        MemoryAlertStore(),
        MemoryCaseStore(),
        MemoryDeadLetterStore(DEAD_KEPT),
        groups=MemoryGroupStore(),
    )


@dataclass(frozen=True, slots=True)
class OnDisk:
    """The stores of one data directory, and the tape whose history is being written."""

    database: Database
    sinks: Sinks
    history: ParquetTickHistory
    lock: DirectoryLock

    def close(self) -> None:
        """Flush and release everything; the directory may then be opened again."""
        self.history.close()
        self.database.close()
        self.lock.release()


def history_root(data_dir: Path, tape: str) -> Path:
    """Where the ticks of one tape are kept."""
    return data_dir / "history" / tape


def open_on_disk(data_dir: Path, tape: str, now: Callable[[], int]) -> OnDisk:
    """Open (or make) the stores of a data directory. RetryableError where another process writes to it, InputError
    where it cannot be a directory."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        lock = DirectoryLock(data_dir)
    except OSError as error:
        raise InputError(f"data directory {data_dir}: {error.strerror}") from None
    database = Database(data_dir / DATABASE)
    history = ParquetTickHistory(history_root(data_dir, tape))
    sinks = Sinks(
        SqliteShardStore(database),
        SqliteAlertStore(database, now),
        SqliteCaseStore(database),
        SqliteDeadLetterStore(database, now),
        history,
        SqliteGroupStore(database, now),
    )
    return OnDisk(database, sinks, history, lock)


@contextmanager
def open_for_reading(
    data_dir: Path, now: Callable[[], int], instruments: Path | None = None
) -> Iterator[StoreReportSource]:
    """What reports need of a data directory, which another process may be writing to; `instruments` is the file of
    `rules.instruments`."""
    database = Database(data_dir / DATABASE)
    try:
        yield StoreReportSource(
            SqliteAlertStore(database, now),
            SqliteCaseStore(database),
            CombinedBars(history_root(data_dir, "")),
            WatchedCoverage(SqliteShardStore(database)),
            SqliteGroupStore(database, now),
            load_facts(instruments),
        )
    finally:
        database.close()


def tape_name(feed: Feed) -> str:
    """A short name for a feed's content: of its shard and of its history's folder."""
    return feed.identity.rpartition(":")[2][:16] or "unnamed"


def make_pipeline(
    feed: Feed,
    engine: Engine,
    sinks: Sinks,
    now: Callable[[], int],
    on_alerts: Callable[[Sequence[Alert]], None] = lambda _: None,
) -> Pipeline:
    """A pipeline that has claimed its shard and may run `feed`."""
    pipeline = Pipeline(tape_name(feed), engine, sinks, now, on_alerts)
    engine.warm()
    pipeline.claim()
    return pipeline
