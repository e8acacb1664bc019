"""The Parquet history alone: rows written a second (spool, sort, files, flush), bars of one symbol, a scan.

One-minute bars of 500 symbols, appended in batches of 100,000.
"""

import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.speed.tapes import START_NS, VENUE, Market
from tapewatch.model.times import DAY_NS, MINUTE_NS
from tapewatch.stores.parquet import ParquetTickHistory

SYMBOLS, BATCH = 500, 100_000


def _bars_ms(history: ParquetTickHistory, symbol: str) -> float:
    began = time.perf_counter()
    day_ns = START_NS // DAY_NS * DAY_NS + DAY_NS
    history.bars(VENUE, symbol, day_ns, day_ns + DAY_NS, 5 * MINUTE_NS)
    return (time.perf_counter() - began) * 1e3


def bench(rows: int = 5_000_000) -> dict[str, object]:
    """Write, read, compare nothing: the stores' tests do."""
    market = Market(SYMBOLS)
    made = [market.bars(BATCH // SYMBOLS) for _ in range(rows // BATCH)]
    rows = BATCH * len(made)
    fates = np.zeros(BATCH, np.int8)
    with tempfile.TemporaryDirectory() as directory:
        history = ParquetTickHistory(Path(directory))
        began = time.perf_counter()
        for batch in made:
            history.append(batch, fates, int(batch.offset[0]), int(batch.offset[-1]) + 1)
        history.flush()
        written_s = time.perf_counter() - began
        size = [path.stat().st_size for path in Path(directory).glob("venue=*/date=*/*.parquet")]
        bars_ms = sorted(_bars_ms(history, i.symbol) for i in market.symbols[::25])
        began = time.perf_counter()
        scanned = sum(len(batch) for batch in history.scan(-(2**63), 2**63 - 1))
        scan_s = time.perf_counter() - began
        history.close()
    figures = {
        "rows": rows,
        "write_rows_per_s": round(rows / written_s),
        "bytes_per_row": round(sum(size) / rows, 1),
        "files": len(size),
        "bars_of_a_symbol_day_p50_ms": round(bars_ms[len(bars_ms) // 2], 2),
        "scan_rows_per_s": round(scanned / scan_s),
    }
    return {"figures": figures, "targets": []}
