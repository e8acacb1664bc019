"""The embedded server: feed, detection, alerts, notices, reports and API in one process, until it is told to stop."""

import gc
import logging
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from prometheus_client import CollectorRegistry

from tapewatch.feeds.paced import paced
from tapewatch.feeds.port import Feed
from tapewatch.model.bars import Bars
from tapewatch.model.errors import TapewatchError
from tapewatch.model.instruments import Instrument
from tapewatch.runtime.config.settings import Settings
from tapewatch.runtime.coverage import WatchedCoverage
from tapewatch.runtime.embedded import (
    OnDisk,
    build_engine,
    history_root,
    load_facts,
    make_pipeline,
    open_on_disk,
    tape_name,
)
from tapewatch.runtime.holding import listen
from tapewatch.runtime.known_names import known_names
from tapewatch.runtime.metrics import EmbeddedMetrics, status_of
from tapewatch.runtime.notices import Notices
from tapewatch.runtime.pipeline import Pipeline, Progress
from tapewatch.runtime.report_service import Reports
from tapewatch.runtime.report_source import StoreReportSource
from tapewatch.stores.parquet.combined import CombinedBars, merged, retain_idle
from tapewatch.stores.sqlite import (
    SqliteAlertStore,
    SqliteGroupStore,
    SqliteNoticeLedger,
    SqliteShardStore,
    SqliteTaskStore,
    retain,
)
from tapewatch.web.api.app import create_app
from tapewatch.web.api.deps import ApiDeps
from tapewatch.web.api.server import ApiServer

_log = logging.getLogger(__name__)
RETAIN_EVERY_S = 3600.0


class ServedHistory:
    """The tick history as the API sees it: the tape that is being written, and all others of the data directory."""

    def __init__(self, stores: OnDisk, root: Path, tape: str) -> None:
        """`tape` is the name below `root` of the one that is being written."""
        self._root, self._tape = root, tape
        self._live, self._others = stores.history, CombinedBars(root, without=tape)
        self.append, self.flush, self.scan = stores.history.append, stores.history.flush, stores.history.scan

    def bars(self, venue: str, symbol: str, from_ns: int, to_ns: int, interval_ns: int) -> Bars:
        """Those of all tapes; of bars of one start, the live tape's."""
        return merged([tape.bars(venue, symbol, from_ns, to_ns, interval_ns) for tape in (self._others, self._live)])

    def instruments(self, from_ns: int, to_ns: int) -> list[Instrument]:
        """As `ArchiveReader` says, of what is in files by now."""
        return CombinedBars(self._root).instruments(from_ns, to_ns)

    def retain(self, now_ns: int, days: float) -> int:
        """`ParquetTickHistory.retain` on all tapes; one that cannot be opened is logged and left for the next time."""
        rows, left = retain_idle(self._root, self._tape, now_ns, days)
        for error in left:
            _log.warning("retention leaves a tape: %s", error)
        return rows + self._live.retain(now_ns, days)


@dataclass(slots=True)
class _State:
    stop: threading.Event
    failed: list[BaseException] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)
    feeding: bool = False
    begun: bool = False  # the feed's thread reads, or is about to: it has something to commit
    begins: threading.Lock = field(default_factory=threading.Lock)


class EmbeddedServer:
    """`run` blocks until SIGTERM, SIGINT or `stop()`; then what was read is committed, and everything is closed."""

    def __init__(
        self,
        settings: Settings,
        feed: Feed | None,
        now: Callable[[], int] = time.time_ns,
        stop: threading.Event | None = None,
    ) -> None:
        """`stop` is set when the server is told to stop: for feeds that wait for what comes next."""
        self._settings, self._feed, self._now = settings, feed, now
        self._names = known_names(settings.rules)  # before anything is opened: rules with a mistake end it here
        self._state = _State(stop or threading.Event())
        self._removed: Counter[str] = Counter()  # by retention: rows of each table
        tape = tape_name(feed) if feed else "none"
        self._stores = open_on_disk(settings.data_dir, tape, now)
        self._alerts = self._stores.sinks.alerts
        assert isinstance(self._alerts, SqliteAlertStore)
        self._groups = SqliteGroupStore(self._stores.database, now)
        self._notices = Notices(
            self._stores.database,
            self._alerts,
            self._stores.sinks.cases,
            self._groups,
            settings.notify,
            now,
            self._progress,
        )
        self._history = ServedHistory(self._stores, history_root(settings.data_dir, ""), tape)
        source = StoreReportSource(
            self._alerts,
            self._stores.sinks.cases,
            self._history,
            WatchedCoverage(SqliteShardStore(self._stores.database)),
            self._groups,
            load_facts(settings.rules.instruments),
        )
        self._reports = Reports(SqliteTaskStore(self._stores.database), source, settings.reports, now)
        self._pipeline: Pipeline | None = None
        self._app = create_app(self._deps())
        self.api = ApiServer(self._app, settings.api)
        self._listener = listen(settings.api.host, settings.api.port)

    @property
    def address(self) -> str:
        """Where it listens, with the port that the system chose where the settings leave it the choice."""
        host, port = self._listener.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def stop(self) -> None:
        """End `run`, from any thread or a signal handler."""
        self._state.stop.set()
        self.api.should_exit = True

    def run(self) -> None:
        """Start every part, serve until stopped, end every part; raise what ended the feed, if an error did."""
        state = self._state
        previous = {s: signal.signal(s, self._on_signal) for s in (signal.SIGTERM, signal.SIGINT)}
        try:
            self._start("notices", self._notices.run)
            self._start("notify", self._notices.notifier.run)
            self._start("reports", self._reports.tasks.run)
            self._start("schedules", self._reports.scheduler.run)
            self._start("retention", self._retain)
            if self._feed is not None:
                self._start("feed", self._run_feed)
            self.api.run(sockets=[self._listener])
        finally:
            state.stop.set()
            self._notices.wake()
            self._join()
            self._stores.close()
            for number, handler in previous.items():
                signal.signal(number, handler)
        if state.failed:
            raise state.failed[0]

    @property
    def compiling(self) -> bool:
        """After `run`: the kernels are still being compiled, which nothing can interrupt. Nothing was read yet, so
        nothing is lost where the process ends at once."""
        return any(thread.name == "feed" and thread.is_alive() for thread in self._state.threads)

    def _join(self) -> None:
        state = self._state
        with state.begins:
            waited = [t for t in state.threads if state.begun or t.name != "feed"]
        for thread in waited:
            thread.join()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the handler's signature
        if not self._state.stop.is_set():  # uvicorn hands a signal on to us after it has ended
            _log.info("stopping: committing what was read")
        self.stop()

    def _start(self, name: str, work: Callable[[threading.Event], None]) -> None:
        def guarded() -> None:
            try:
                work(self._state.stop)
            except BaseException as error:  # noqa: BLE001 - a dead part ends the process instead of going unnoticed
                _log.error("%s ended: %s", name, error)
                self._state.failed.append(error)
                self.stop()

        thread = threading.Thread(target=guarded, name=name, daemon=True)
        self._state.threads.append(thread)
        thread.start()

    def _run_feed(self, stop: threading.Event) -> None:
        assert self._feed is not None
        speed = self._settings.feed.speed or None
        feed = paced(self._feed, speed, time.monotonic_ns, stop.wait, longest_wait_s=5.0, stopped=stop.is_set)
        engine = build_engine(self._settings.rules)
        engine.warm()
        gc.freeze()  # what is there by now stays: no collection has to walk through the compiler again
        with self._state.begins:
            if stop.is_set():
                return
            self._state.begun = True
        self._pipeline = make_pipeline(self._feed, engine, self._stores.sinks, self._now, lambda _: self._on_alerts())
        self._state.feeding = True
        self._pipeline.run(feed, self._settings.engine.batch_ticks, stop)
        self._state.feeding = False
        if not stop.is_set():
            _log.info("the feed has ended; still serving")

    def _on_alerts(self) -> None:
        self._notices.wake()
        if not self._state.stop.is_set():  # else its loop may be closed; clients read the rest when they come back
            self._app.state.alert_stream.notify()

    def _retain(self, stop: threading.Event) -> None:
        keep = self._settings.stores
        while not stop.is_set():
            removed = retain(self._stores.database, self._now(), keep.record_days)
            if keep.tick_days is not None:
                removed["ticks"] = self._history.retain(self._now(), keep.tick_days)
            self._removed.update(removed)
            if any(removed.values()):
                _log.info("retention removed %s", removed)
            stop.wait(RETAIN_EVERY_S)

    def _deps(self) -> ApiDeps:
        registry = CollectorRegistry()
        counts = self._notices.notifier.counts, self._reports.tasks.counts, self._removed
        registry.register(EmbeddedMetrics(self._progress, *counts))
        return ApiDeps(
            alerts=self._alerts,
            cases=self._stores.sinks.cases,
            history=self._history,
            dead_letters=self._stores.sinks.dead_letters,
            groups=self._groups,
            notices=SqliteNoticeLedger(self._stores.database, self._now),
            chart=self._reports.chart,
            fixed_silences=self._notices.fixed_silences,
            reports=self._reports,
            status=lambda: status_of(
                self._progress(), tape_name(self._feed) if self._feed else "", self._state.feeding
            ),
            now=self._now,
            settings=self._settings.api,
            names=self._names,
            readiness={"database": self._check_database, "pipeline": self._check_pipeline},
            registry=registry,
        )

    def _progress(self) -> Progress | None:
        return self._pipeline.progress if self._pipeline else None

    def _check_database(self) -> str | None:
        try:
            self._alerts.changes(0, 1)
        except TapewatchError as error:
            return str(error)
        return None

    def _check_pipeline(self) -> str | None:
        if self._feed is not None and self._pipeline is None:
            return "the rules are still being compiled"
        return None
