"""What `tapewatch tune` reads and writes: dispositions of a data directory, a rules file, a calibration file."""

import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from tapewatch import __version__
from tapewatch.alerts.labels import Label
from tapewatch.detection.calibration import Calibration
from tapewatch.detection.tuning.tune import Tuned
from tapewatch.model.alerts import Alert, Disposition
from tapewatch.reports.port import ReportRequest
from tapewatch.runtime.config.rules_text import rules_toml
from tapewatch.runtime.embedded import database_in, open_for_reading

USEFUL: frozenset[Disposition] = frozenset({"manipulation_suspected", "news", "market_move"})


def dispositions(data_dir: Path) -> tuple[list[Label], list[Label]]:
    """(alerts that people closed as worth telling, alerts that they closed as data error or expected), as labels."""
    database_in(data_dir, ", and so no dispositions")
    useful: list[Label] = []
    noise: list[Label] = []
    with open_for_reading(data_dir, time.time_ns) as source:
        for alert, case in source.alerts(ReportRequest(format="csv")):
            if case is not None and case.disposition is not None and alert.category != "data_quality":
                wanted = useful if case.disposition in USEFUL else noise
                wanted.append(_label(len(wanted), alert, case.disposition))
    return useful, noise


def _label(event: int, alert: Alert, disposition: Disposition) -> Label:
    return Label(
        event=event,
        kind=disposition,
        is_trap=False,
        venue=alert.venue,
        symbol=alert.symbol,
        onset_ns=alert.onset_ns,
        end_ns=alert.onset_ns,
        direction=alert.direction,
        size=abs(alert.peak_change_pct) / 100.0,
        size_times=0.0,
        note=alert.alert_id,
    )


def write_rules(path: Path, tuned: Tuned, history: Sequence[str]) -> None:
    """The proposed rules, with where they come from and the version of each in comments."""
    t = tuned.tuning
    comments = [
        f"Proposed by tapewatch tune {__version__} from {', '.join(history)}",
        f"for at most {t.budget:g} price incidents a symbol and day; with calibration {t.calibration}, fingerprint",
        f"{t.fingerprint}. Days from {t.first_unseen_day} on were held out."
        if t.first_unseen_day
        else f"{t.fingerprint}. No day was held out.",
        *(f"version of {r.name}: {r.version}" for r in tuned.rules.rules),
    ]
    rules = [r.rule for r in tuned.rules.rules]
    path.write_text(rules_toml(t.name, rules, comments, tuned.rules.judge_late), encoding="utf-8")


def write_calibration(path: Path, calibration: Calibration) -> None:
    """The calibration as indented JSON."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(calibration), indent=1) + b"\n")
