"""Speed of the Parquet history: rows written a second (spool, sort, files, flush), bars of one symbol, a scan.

    python benchmarks/speed/bench_tick_history.py [--rows 5000000]

One-minute bars of 500 symbols, appended in batches of 100,000. Prints one JSON object.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tapewatch.model.instruments import Instrument
from tapewatch.model.ticks import TickBatch, make_batch
from tapewatch.model.times import DAY_NS, MINUTE_NS
from tapewatch.stores.parquet import ParquetTickHistory

START_NS = 1_744_034_400_000_000_000
SYMBOLS, BATCH = 500, 100_000
INSTRUMENTS = tuple(Instrument("binance", f"C{i:03d}/USDT") for i in range(SYMBOLS))


def batches(rows: int) -> Iterator[TickBatch]:
    """Random walks with heavy tails, two decimals, whole volumes: what compresses like real data."""
    rng = np.random.default_rng(1)
    log_price = np.log(rng.uniform(5.0, 500.0, SYMBOLS))
    for first in range(0, rows, BATCH):
        minutes = BATCH // SYMBOLS
        path = log_price + np.cumsum(rng.standard_t(3, (minutes, SYMBOLS)) * 5e-4, axis=0)
        close = np.round(np.exp(path), 2).ravel()
        opened = np.round(np.exp(np.vstack([log_price, path[:-1]])), 2).ravel()
        log_price = path[-1]
        offset = first + np.arange(BATCH)
        yield make_batch(
            INSTRUMENTS,
            BATCH,
            symbol_id=offset % SYMBOLS,
            kind=np.ones(BATCH),
            ts_event_ns=START_NS + offset // SYMBOLS * MINUTE_NS,
            interval_ns=np.full(BATCH, MINUTE_NS),
            open=opened,
            high=np.maximum(opened, close) + 0.01,
            low=np.minimum(opened, close) - 0.01,
            close=close,
            volume=np.round(rng.lognormal(6.0, 1.0, BATCH)),
            offset=offset,
        )


def main() -> None:
    """Write, read, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000)
    rows = parser.parse_args().rows // BATCH * BATCH
    made = list(batches(rows))
    fates = np.zeros(BATCH, np.int8)
    with tempfile.TemporaryDirectory() as directory:
        history = ParquetTickHistory(Path(directory))
        began = time.perf_counter()
        for batch in made:
            history.append(batch, fates, int(batch.offset[0]), int(batch.offset[-1]) + 1)
        history.flush()
        written_s = time.perf_counter() - began
        size = [path.stat().st_size for path in Path(directory).glob("venue=*/date=*/*.parquet")]
        bars_ms = []
        for i in range(20):
            began = time.perf_counter()
            day_ns = START_NS // DAY_NS * DAY_NS + DAY_NS
            history.bars("binance", INSTRUMENTS[i * 20].symbol, day_ns, day_ns + DAY_NS, 5 * MINUTE_NS)
            bars_ms.append((time.perf_counter() - began) * 1e3)
        began = time.perf_counter()
        scanned = sum(len(batch) for batch in history.scan(-(2**63), 2**63 - 1))
        scan_s = time.perf_counter() - began
        history.close()
    figures = {
        "rows": rows,
        "write_rows_per_s": round(rows / written_s),
        "bytes_per_row": round(sum(size) / rows, 1),
        "files": len(size),
        "bars_of_a_symbol_day_p50_ms": round(sorted(bars_ms)[10], 2),
        "scan_rows_per_s": round(scanned / scan_s),
    }
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
