"""The demo: a simulated market with planted anomalies through the real pipeline, watched live and scored at the end."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from tapewatch.alerts.labels import LASTING_KINDS, Label
from tapewatch.alerts.scorecard import Matching, Rate, Scorecard, score
from tapewatch.feeds.paced import paced
from tapewatch.feeds.simulator import Plan, SimulatorConfig, instruments, labels, market
from tapewatch.model.alerts import Alert
from tapewatch.model.times import MINUTE_NS, format_rfc3339
from tapewatch.runtime.cli.tables import STYLES
from tapewatch.runtime.config.settings import RulesSettings
from tapewatch.runtime.embedded import build_engine, make_pipeline, open_on_disk, tape_name
from tapewatch.runtime.pipeline import Pipeline
from tapewatch.runtime.untold import untold

SHOWN = 8
REFRESH_PER_S = 8


@dataclass(slots=True)
class Watch:
    """What the live view shows; written by the committing thread, read by the drawing one."""

    revisions: list[Alert] = field(default_factory=list)
    newest: dict[str, Alert] = field(default_factory=dict)

    def take(self, alerts: Sequence[Alert]) -> None:
        """Alert revisions that took effect."""
        self.revisions.extend(alerts)
        for alert in alerts:
            self.newest.pop(alert.alert_id, None)
            self.newest[alert.alert_id] = alert


@dataclass(frozen=True, slots=True)
class Result:
    """How a demo ended."""

    records: int
    seconds: float
    card: Scorecard


def demo_config(days: int, seed: int) -> SimulatorConfig:
    """20 stocks and 10 crypto pairs; what is planted is three times what happens once in 100 symbol-days."""
    return SimulatorConfig(seed=seed, stocks=20, crypto=10, days=days, plan=Plan(times=(3.0, 3.0)))


def run_demo(config: SimulatorConfig, data_dir: Path, seconds: float, console: Console) -> Result:
    """Run the market through the pipeline in about `seconds` (0: as fast as possible), drawing on `console`. `data_dir`
    holds no market yet."""
    planted = labels(config)
    feed = market(config)
    engine = build_engine(RulesSettings())
    engine.warm()
    stores = open_on_disk(data_dir, tape_name(feed), time.time_ns)
    watch = Watch()
    try:
        pipeline = make_pipeline(feed, engine, stores.sinks, time.time_ns, watch.take)
        span_s = config.days * 86_400
        slow = paced(feed, span_s / seconds if seconds else None, time.monotonic_ns, time.sleep, longest_wait_s=0.5)
        began = time.perf_counter()
        view = _View(config, pipeline, watch, planted, began)
        with Live(view.draw(), console=console, refresh_per_second=REFRESH_PER_S, transient=True) as live:
            done = threading.Event()
            drawing = threading.Thread(target=_draw, args=(live, view, done), daemon=True)
            drawing.start()
            try:
                with untold(stores.database):
                    pipeline.run(slow, 20_000)
            finally:
                done.set()
                drawing.join()
        seconds = time.perf_counter() - began
        return Result(pipeline.progress.records, seconds, scored(planted, watch.revisions))
    finally:
        stores.close()


def scored(planted: Sequence[Label], revisions: Sequence[Alert]) -> Scorecard:
    """Found against planted, with a bar of tolerance; what is planted over several bars counts until its end."""
    return score(list(planted), list(revisions), Matching(bar_ns=MINUTE_NS, until_end=LASTING_KINDS))


def _draw(live: Live, view: "_View", done: threading.Event) -> None:
    while not done.wait(1 / REFRESH_PER_S):
        live.update(view.draw())


@dataclass(slots=True)
class _View:
    config: SimulatorConfig
    pipeline: Pipeline
    watch: Watch
    planted: Sequence[Label]
    began: float

    def draw(self) -> Group:
        """One picture of the run so far."""
        progress = self.pipeline.progress
        took = max(time.perf_counter() - self.began, 1e-9)
        event = format_rfc3339(progress.event_ns)[:16].replace("T", " ") if progress.event_ns else "-"
        now_ns = progress.event_ns
        so_far = [label for label in self.planted if label.end_ns <= now_ns]
        card = scored(so_far, [a for a in self.watch.revisions if a.onset_ns <= now_ns])
        alerts = list(self.watch.newest.values())
        still_open = {a.incident_id for a in alerts if a.state in {"firing", "recovering"}}
        head = Text.assemble(
            ("market time ", "dim"), (event, "bold"), ("   records ", "dim"), f"{progress.records:,}",
            ("   per second ", "dim"), f"{progress.records / took:,.0f}", ("   open incidents ", "dim"),
            (str(len(still_open)), "bold yellow"), ("\nfound ", "dim"), (f"{card.recall.successes}", "bold green"),
            f" of {card.recall.trials} planted", ("   recall ", "dim"), _rate(card.recall), ("   precision ", "dim"),
            _rate(card.precision), ("   median delay ", "dim"), _delay(card),
        )  # fmt: skip
        symbols = len(instruments(self.config))
        return Group(Panel(head, title=f"tapewatch demo: {symbols} symbols"), _latest(alerts[-SHOWN:]))


def _rate(rate: Rate) -> str:
    return f"{rate.value:.2f}" if rate.trials else "-"


def _delay(card: Scorecard) -> str:
    delays = [delay for row in card.classes for delay in row.delays_s]
    return f"{median(delays):+.0f} s" if delays else "-"


def _latest(alerts: Sequence[Alert]) -> Table:
    table = Table(expand=True, show_header=False, box=None, padding=(0, 1))
    for _ in range(4):
        table.add_column(no_wrap=True)
    table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    for alert in reversed(alerts):
        what = alert.message.removeprefix(f"{alert.symbol} on {alert.venue} ")
        table.add_row(
            alert.timestamp[:16].replace("T", " "),
            alert.symbol,
            Text(alert.severity, style=STYLES[alert.severity]),
            alert.state,
            what,
        )
    return table


def score_table(card: Scorecard) -> Table:
    """Found against planted, class by class."""
    table = Table(title="Found against planted", title_justify="left", header_style="bold")
    for name in ("planted", "found", "recall", "95 % interval", "median delay"):
        table.add_column(name, justify="left" if name == "planted" else "right")
    for row in card.classes:
        low, high = row.recall.interval
        delay = "-" if row.median_delay_s is None else f"{row.median_delay_s:+.0f} s"
        table.add_row(
            row.kind.replace("_", " "),
            f"{row.recall.successes} / {row.recall.trials}",
            f"{row.recall.value:.2f}",
            f"{low:.2f} - {high:.2f}",
            delay,
        )
    for family in card.families:
        low, high = family.precision.interval
        table.add_section()
        table.add_row(
            f"precision, {family.family.replace('_', ' ')} incidents",
            f"{family.precision.successes} / {family.precision.trials}",
            f"{family.precision.value:.2f}",
            f"{low:.2f} - {high:.2f}",
            "",
        )
    return table
