"""What `tapewatch tune` prints."""

from rich.console import Console

from tapewatch.detection.tuning.grid import FACTORS
from tapewatch.detection.tuning.result import Outcome, RuleTuning, Tuning
from tapewatch.reports.backtest import rate_text, share_text
from tapewatch.runtime.cli.backtest_tables import new_table

COLUMNS = ("rule", "group", "before", "now", "looser", "stricter")


def show(console: Console, tuning: Tuning) -> None:
    """The proposal, what it costs and finds, and what its neighbours would."""
    labelled = any(g.labels for g in tuning.groups)
    found = ("found",) if labelled else ()
    title = "By rule and group: incidents a symbol and day of each alone; looser, stricter: a step from now"
    table = new_table(title, *COLUMNS, *found)
    for row in tuning.rules:
        before, now = row.before(), row.chosen()
        finds = (f"{before.found} -> {now.found}",) if labelled else ()
        costs = (f"{before.per_symbol_day:.3f}", f"{now.per_symbol_day:.3f}", _near(row, -1), _near(row, 1))
        table.add_row(row.rule, row.group, *costs, *finds)
    console.print(table)
    for row in tuning.rules:
        moved = ", ".join(f"{k} {old:g} -> {new:g}" for k, (old, new) in row.thresholds.items() if old != new)
        console.print(f"{row.rule}, {row.group}: {f'{moved} ({row.factor:g} times)' if moved else 'as before'}")
    for g in tuning.groups:
        over = "" if g.within_budget else ": OVER the budget even at the strictest thresholds"
        told_labels = f", {g.found} of {g.labels} labels found" if g.labels else ""
        told = f"{g.incidents} price incidents in {g.symbol_days} symbol-days, {g.most:.1f} allowed"
        console.print(f"{g.group}: {told}{told_labels}{over}")
    outcomes = (tuning.before, tuning.after)
    table = new_table("Price incidents a symbol and day, with all rules", "", *(o.name for o in outcomes))
    table.add_row("days that tuning saw", *(rate_text(o.seen) for o in outcomes))
    if tuning.first_unseen_day:
        held = [rate_text(o.unseen) if o.unseen else "-" for o in outcomes]
        table.add_row(f"days from {tuning.first_unseen_day} on, held out", *held)
    if any(o.seen_recall or o.unseen_recall for o in outcomes):
        table.add_row("labels found, seen days", *(_recall(o, unseen=False) for o in outcomes))
        table.add_row("labels found, held out", *(_recall(o, unseen=True) for o in outcomes))
    console.print(table)
    console.print(f"rules and calibration: fingerprint {tuning.fingerprint}, calibration {tuning.calibration}")


def _near(row: RuleTuning, step: int) -> str:
    at = FACTORS.index(row.factor) + step
    return f"{row.curve[at].per_symbol_day:.3f}" if 0 <= at < len(FACTORS) else "-"


def _recall(outcome: Outcome, *, unseen: bool) -> str:
    share = outcome.unseen_recall if unseen else outcome.seen_recall
    return share_text(share) if share else "-"
