"""`tapewatch report`: a PDF of 1,000 alerts with its charts, and a CSV of a million, each as a whole command."""

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from tests.factories import make_alert

from benchmarks.speed import tapes
from benchmarks.speed.measure import Ran, Target, judge, run
from benchmarks.speed.stored import APART_NS, START_NS, fill
from tapewatch.model.times import MINUTE_NS, format_rfc3339
from tapewatch.runtime.embedded import DATABASE, history_root
from tapewatch.stores.parquet import ParquetTickHistory
from tapewatch.stores.sqlite import Database, SqliteAlertStore

TARGETS = (
    Target("pdf_1000_alerts_s", "at most", 5.0),
    Target("csv_1m_alerts_s", "at most", 30.0),
    Target("csv_extra_mb_for_ten_times_the_alerts", "at most", 50.0),
)
PDF_ALERTS, SYMBOLS, MINUTES = 1_000, 20, 3 * 1440


def _small(data_dir: Path) -> None:
    """Three days of bars of 20 symbols and 1,000 alerts on them."""
    data_dir.mkdir(parents=True)
    bars = tapes.Market(SYMBOLS).bars(MINUTES)
    history = ParquetTickHistory(history_root(data_dir, "bench"))
    history.append(bars, np.zeros(len(bars), np.int8), 0, len(bars))
    history.flush()
    history.close()
    at = np.sort(np.random.default_rng(1).choice(len(bars), PDF_ALERTS, replace=False))
    made = []
    for i in at:
        instrument = bars.symbols[bars.symbol_id[i]]
        price = float(bars.close[i])
        made.append(
            make_alert(
                venue=instrument.venue,
                symbol=instrument.symbol,
                onset_ns=int(bars.ts_event_ns[i]) + MINUTE_NS,
                direction="drop" if i % 2 else "rise",
                score=61.0 + float(i % 39),
                price_before=price / (0.96 if i % 2 else 1.04),
                price=price,
            )
        )
    database = Database(data_dir / DATABASE)
    SqliteAlertStore(database, time.time_ns).upsert(made, [])
    database.close()


def _report(data_dir: Path, out: Path, *arguments: str) -> Ran:
    ran = run("report", str(out), "--data-dir", str(data_dir), *arguments)
    if out.stat().st_size < 1_000:
        raise AssertionError("the report is empty")
    return ran


def bench(folder: Path, alerts: int = 1_000_000, rounds: int = 3) -> dict[str, object]:
    """Memory is flat where a CSV of ten times the alerts takes no more of it."""
    fill(folder / "stored", alerts)
    with tempfile.TemporaryDirectory(dir=folder) as name:
        made = Path(name)
        _small(made / "small")
        last = format_rfc3339(START_NS + alerts // 10 * APART_NS)
        pdf = [_report(made / "small", made / "out.pdf") for _ in range(rounds)]
        tenth = [_report(folder / "stored", made / "tenth.csv", "--to", last) for _ in range(rounds)]
        full = [_report(folder / "stored", made / "all.csv") for _ in range(rounds)]
        sizes = {p.name: p.stat().st_size for p in (made / "out.pdf", made / "tenth.csv", made / "all.csv")}
    values = {
        "pdf_1000_alerts_s": statistics.median(r.wall_s for r in pdf),
        "csv_1m_alerts_s": statistics.median(r.wall_s for r in full),
        "csv_extra_mb_for_ten_times_the_alerts": max(r.peak_mb for r in full) - max(r.peak_mb for r in tenth),
    }
    figures = {
        name: {
            "wall_s": round(statistics.median(r.wall_s for r in ran), 2),
            "cpu_s": round(statistics.median(r.cpu_s for r in ran), 2),
            "peak_mb": round(max(r.peak_mb for r in ran)),
        }
        for name, ran in (("pdf", pdf), ("csv_tenth", tenth), ("csv", full))
    }
    return {"figures": {"alerts": alerts, "bytes": sizes, **figures}, "targets": judge(TARGETS, values)}
