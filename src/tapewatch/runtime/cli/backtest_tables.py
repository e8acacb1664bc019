"""What `tapewatch backtest` prints."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

from tapewatch.detection.backtest.result import BacktestResult, LabelScore, SideResult
from tapewatch.reports.backtest import rate_text, share_text

LISTED, SYMBOLS = 15, 10


def show(console: Console, result: BacktestResult, seconds: float) -> None:
    """The result as tables; says what it leaves out."""
    sides = [result.a] if result.b is None else [result.a, result.b]
    rate = f", {result.records / seconds:,.0f} records/s" if seconds > 0 else ""
    unread = f", {result.unreadable:,} unreadable" if result.unreadable else ""
    console.print(
        f"BACKTEST of {result.symbols:,} symbols, {result.symbol_days:,} symbol-days"
        f" ({result.records:,} records{unread} from {result.first} to {result.last}) in {seconds:.1f} s{rate}"
    )
    if result.labels is not None:
        outside = f"; {result.labels_outside:,} lie outside of the history" if result.labels_outside else ""
        console.print(f"{result.labels:,} labels within {result.tolerance_s:g} s{outside}")
    console.print(_rates(sides))
    for side in sides:
        console.print(_rules(side))
        console.print(_symbols(side))
        console.print(_busiest(side))
        if side.score is not None:
            console.print(_score(side.name, side.score))
    if result.difference is not None and result.b is not None:
        _difference(console, result)


def new_table(title: str, *columns: str) -> Table:
    """A table whose first column holds words and the others numbers."""
    table = Table(title=title, title_justify="left", header_style="bold")
    for at, column in enumerate(columns):
        table.add_column(column, justify="left" if at == 0 else "right", no_wrap=at == 0)
    return table


def _rates(sides: Sequence[SideResult]) -> Table:
    table = new_table(
        "Incidents, a symbol and day, 95 % interval", "", *(f"{n}: {s.name}" for n, s in zip("AB", sides, strict=False))
    )
    rows: Iterable[tuple[str, list[str]]] = (
        ("price and volume", [rate_text(s.price) for s in sides]),
        ("  at high or above", [rate_text(s.price_high) for s in sides]),
        ("data quality", [rate_text(s.data_quality) for s in sides]),
        ("withdrawn", [f"{s.retracted:,}" for s in sides]),
        ("rules", [s.fingerprint for s in sides]),
        ("calibration", [s.calibration for s in sides]),
    )
    for name, cells in rows:
        table.add_row(name, *cells)
    return table


def _rules(side: SideResult) -> Table:
    table = new_table(f"{side.name}: by rule", "rule", "version", "alerts", "incidents", "of them alone")
    for r in side.rules:
        table.add_row(r.rule, r.version, f"{r.alerts:,}", f"{r.incidents:,}", f"{r.alone:,}")
    return table


def _symbols(side: SideResult) -> Table:
    title = f"{side.name}: by symbol"
    if len(side.symbols) > SYMBOLS:
        title += f" ({SYMBOLS} of {len(side.symbols):,}; --out has all)"
    table = new_table(title, "symbol", "days", "price", "data quality")
    for s in side.symbols[:SYMBOLS]:
        table.add_row(f"{s.venue}:{s.symbol}", f"{s.days:,}", f"{s.price:,}", f"{s.data_quality:,}")
    return table


def _busiest(side: SideResult) -> Table:
    table = new_table(f"{side.name}: busiest days", "day", "symbols", "price", "data quality")
    for d in side.busiest:
        table.add_row(d.day, f"{d.symbols:,}", f"{d.price:,}", f"{d.data_quality:,}")
    return table


def _score(name: str, score: LabelScore) -> Table:
    table = new_table(f"{name}: against the labels", "", "share, 95 % interval", "median delay")
    for kind in score.kinds:
        delay = "-" if kind.median_delay_s is None else f"{kind.median_delay_s:.0f} s"
        table.add_row(f"recall {kind.kind}", share_text(kind.recall), delay)
        if kind.late:
            table.add_row(f"told later, before the end of {kind.kind}", f"{kind.late:,}", "")
    table.add_row("recall", share_text(score.recall), "")
    for family, share in score.precision.items():
        table.add_row(f"precision {family.replace('_', ' ')}", share_text(share), "")
    for kind_name, share in score.traps.items():
        table.add_row(f"trap {kind_name} fired", share_text(share), "")
    table.add_row("unlabelled, moved 5 % in 5 minutes", rate_text(score.unlabelled_moved), "")
    table.add_row("unlabelled, did not", rate_text(score.unlabelled_calm), "")
    if score.neutral:
        table.add_row("neither true nor false", f"{score.neutral:,}", "")
    return table


def _difference(console: Console, result: BacktestResult) -> None:
    assert result.difference is not None and result.b is not None
    console.print(f"In both: {result.difference.both:,} incidents of B have their like in A")
    for name, side, ids in (("A", result.a, result.difference.only_a), ("B", result.b, result.difference.only_b)):
        chosen = set(ids)
        mine = sorted((i for i in side.incidents if i.incident_id in chosen), key=lambda i: -i.score)
        table = new_table(f"Only {name} ({side.name}) would have told: {len(mine):,}", "onset", "severity")
        table.add_column("what", ratio=1)
        for incident in mine[:LISTED]:
            table.add_row(incident.onset, incident.severity, incident.message)
        if mine:
            console.print(table)
        if len(mine) > LISTED:
            console.print(f"... and {len(mine) - LISTED:,} more of lower score: --out has all")
        if not mine:
            console.print(f"Only {name} ({side.name}): nothing")
