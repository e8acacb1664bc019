"""The tree of settings: one frozen value, parsed once at the edge and handed in to whoever needs it.

Each field's docstring is its text in `docs/settings.md`; its annotation is what is accepted.
"""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from tapewatch.notify.settings import NotifySettings
from tapewatch.reports.settings import ReportsSettings
from tapewatch.runtime.config.detect import BridgeSection, QueueSection, StateSection, WorkerSection
from tapewatch.runtime.config.kafka import KafkaSection
from tapewatch.runtime.config.sinks import ArchiveSection, ElasticsearchSection, IndexerSection, OpsSection
from tapewatch.web.api.settings import ApiSettings

Port = Annotated[int, Meta(ge=0, le=65_535)]
Days = Annotated[int, Meta(ge=1, le=36_500)]
Interval = Annotated[str, Meta(pattern=r"^[1-9][0-9]{0,5}(ms|s|m|h|d)$", title="a duration such as 1m")]
Source = Annotated[str, Meta(extra={"path": True})]  # relative to the file that names it, like a Path


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every section: frozen, by keyword, and an unknown key is an error."""


class FeedSettings(Section, frozen=True):
    """Where ticks come from."""

    sources: tuple[Source, ...] = ()
    """Files, globs, or `-` for standard input; several are merged by event time."""

    symbol: str | None = None
    """Symbol of files that name none; else taken from the file's name."""

    venue: str | None = None
    """Venue of ticks that name none; else `binance` where the symbol has a `/`, else `XNAS`."""

    zone: str | None = None
    """Zone of times without an offset, e.g. `America/New_York`; else the venue's."""

    interval: Interval | None = None
    """Length of a bar, e.g. `1m`; else told from the distances between the bars."""

    dates: Literal["dmy", "mdy"] | None = None
    """What comes first in dates such as 04/07/2025, day or month; else told by the head of the file, refused where that
    does not tell."""

    mapping: dict[str, str] = {}
    """Which column holds what, e.g. `{ time = "Date", close = "Last" }`; wins over recognition."""

    speed: Annotated[float, Meta(ge=0)] = 0.0
    """Times real time at which a file is replayed; 0 is as fast as possible."""


class RulesSettings(Section, frozen=True):
    """What is watched for."""

    preset: str = "default"
    """Name of a rule set that comes with tapewatch; `tapewatch rules list` shows them. Where one source names
    a `file` too, that wins."""

    file: Path | None = None
    """Rules of your own, in a TOML file; `tapewatch rules check FILE` reads it."""

    calibration: Path | None = None
    """Calibration that `tapewatch tune` made; else the one that comes with tapewatch."""

    instruments: Path | None = None
    """What is known of instruments beforehand, in a TOML file of `[[instruments]]`: tick size, lot, currency, peg,
    group, announced splits and halts."""


class EngineSettings(Section, frozen=True):
    """How detection runs. Nothing here changes which alerts are found."""

    batch_ticks: Annotated[int, Meta(ge=1, le=100_000)] = 100_000
    """Most ticks in one batch."""


class StoresSettings(Section, frozen=True):
    """How long things are kept in a data directory. Audit entries are never removed. On the cluster, `record_days`
    holds for notices. Alerts, incidents and groups stay in Elasticsearch until somebody deletes them, and so do the
    files of the archive; signals and ticks have ages of their own, see `indexer`."""

    record_days: Days = 1_825
    """Days, counted from when they were written, that alerts, signals, settled notices, dead letters and finished
    reports are kept; reports at least three. Incidents that are open stay, and so do notices that are still owed."""

    tick_days: Days | None = None
    """Days, counted from the ticks' own time, that they are kept in the history, whichever tape they are of; without
    it, for ever. With it, a replay of old data loses its ticks at the next look."""


class LoggingSettings(Section, frozen=True):
    """The program's own log, on standard error. Secrets never appear in it."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe record that is written."""

    format: Literal["auto", "text", "json"] = "auto"
    """`text` for people, `json` for machines (one object a line); `auto` is text on a terminal, else JSON."""

    levels: dict[str, Literal["debug", "info", "warning", "error"]] = {}
    """Other levels for single loggers, e.g. `{ "uvicorn.access" = "warning" }`."""


class Settings(Section, frozen=True):
    """Everything that can be set, from `tapewatch.toml`, the environment and flags."""

    data_dir: Path = Path("tapewatch-data")
    """Folder of the database, the tick history and finished reports; made where it is missing."""

    feed: FeedSettings = FeedSettings()
    rules: RulesSettings = RulesSettings()
    api: ApiSettings = ApiSettings()
    notify: NotifySettings = NotifySettings()
    reports: ReportsSettings = ReportsSettings()
    engine: EngineSettings = EngineSettings()
    stores: StoresSettings = StoresSettings()
    kafka: KafkaSection = KafkaSection()
    state: StateSection = StateSection()
    queue: QueueSection = QueueSection()
    bridge: BridgeSection = BridgeSection()
    worker: WorkerSection = WorkerSection()
    logging: LoggingSettings = LoggingSettings()
    elasticsearch: ElasticsearchSection = ElasticsearchSection()
    indexer: IndexerSection = IndexerSection()
    archive: ArchiveSection = ArchiveSection()
    ops: OpsSection = OpsSection()
