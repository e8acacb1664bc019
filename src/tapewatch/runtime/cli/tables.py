"""Tables that commands print."""

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tapewatch.detection.calendars import venue_info
from tapewatch.model.alerts import Alert
from tapewatch.model.market import Group
from tapewatch.model.ticks import Fate
from tapewatch.model.times import format_local
from tapewatch.reports.words import count
from tapewatch.runtime.pipeline import Progress
from tapewatch.stores.markets import MarketReader
from tapewatch.stores.port import AlertQuery, AlertStore, GroupQuery, GroupStore

STYLES = {"low": "dim", "medium": "yellow", "high": "red", "critical": "bold red"}
SHOWN = 200
GROUPS_SHOWN = 50
PAGE = 500


def all_alerts(store: AlertStore) -> Iterator[Alert]:
    """Every alert, oldest first, page by page."""
    after: tuple[int, str] | None = None
    while page := store.page(AlertQuery(newest_first=False, limit=PAGE, after=after)):
        yield from page
        after = (page[-1].onset_ns, page[-1].alert_id)


def alert_table(alerts: list[Alert], title: str) -> Table:
    """One row an alert: when (venue's time), what, how bad, and the sentence that explains."""
    table = Table(title=title, title_justify="left", header_style="bold", expand=True, show_lines=True)
    table.add_column("onset (venue time)", no_wrap=True)
    table.add_column("symbol", no_wrap=True)
    table.add_column("severity", no_wrap=True)
    table.add_column("peak", justify="right", no_wrap=True)
    table.add_column("what happened", ratio=1, min_width=24)
    for alert in alerts:
        what = Text(alert.rule, style="bold").append(f": {_short(alert)}", style="not bold")
        table.add_row(
            format_local(alert.onset_ns, venue_info(alert.venue).zone)[:16],
            alert.symbol,
            Text(alert.severity, style=STYLES[alert.severity]),
            f"{alert.peak_change_pct:+.2f} %" if alert.direction != "none" else "-",
            what,
        )
    return table


def _short(alert: Alert) -> str:
    on = "" if "other_venue" in alert.details else f"on {alert.venue} "  # there it matters which of them it is
    return alert.message.removeprefix(f"{alert.symbol} {on}").removesuffix(".")


def group_table(groups: list[Group]) -> Table:
    """One row a market-wide move: when (UTC), how long others could join, how far, and who."""
    table = Table(title="Market-wide moves (one notice each)", title_justify="left", header_style="bold", expand=True)
    for name in ("recognised (UTC)", "last", "market"):
        table.add_column(name, no_wrap=True)
    table.add_column("mean", justify="right", no_wrap=True)
    table.add_column("what happened", ratio=1, min_width=24)
    for group in groups:
        opened, last = (format_local(ns, "UTC")[:16] for ns in (group.opened_ns, group.last_ns))
        table.add_row(opened, last[11:], group.market, f"{group.move_pct:+.2f} %", group.message)
    return table


def show_groups(console: Console, store: GroupStore) -> None:
    """The market-wide moves of a run, at most 50; nothing where there is none."""
    groups = store.groups(GroupQuery(newest_first=False, limit=GROUPS_SHOWN + 1))
    if groups:
        console.print(group_table(groups[:GROUPS_SHOWN]))
    if len(groups) > GROUPS_SHOWN:
        console.print(f"... and more than these {GROUPS_SHOWN} market-wide moves: GET /v1/groups shows all of them")


def show_alerts(
    console: Console, store: AlertStore, groups: GroupStore | None, progress: Progress, seconds: float
) -> None:
    """The alerts of a run as a table, with what their markets did, and one paragraph of counts below it. Says what it
    leaves out."""
    shown: list[Alert] = []
    total, incidents = 0, {"price": set[str](), "data_quality": set[str]()}
    for alert in all_alerts(store):
        total += 1
        incidents["data_quality" if alert.category == "data_quality" else "price"].add(alert.incident_id)
        if len(shown) < SHOWN:
            shown.append(alert)
    if shown:
        told = MarketReader(groups).told(shown) if groups is not None else shown
        console.print(alert_table(told, "Alerts"))
    else:
        console.print("No alert.")
    if total > len(shown):
        console.print(
            f"... and {total - len(shown):,} more: write them with --report FILE.csv, or print them with --json"
        )
    fates = ", ".join(f"{n:,} {f.name.lower()}" for f, n in sorted(progress.fates.items()) if f is not Fate.JUDGED)
    rate = f", {progress.records / seconds:,.0f} records/s" if seconds > 0 and progress.records else ""
    console.print(
        f"{progress.fates.get(Fate.JUDGED, 0):,} ticks judged ({fates or 'nothing else'}) in {seconds:.1f} s{rate}: "
        f"{count(total, 'alert')} in {count(len(incidents['price']), 'price incident')} and"
        f" {count(len(incidents['data_quality']), 'data-quality incident')}"
    )
