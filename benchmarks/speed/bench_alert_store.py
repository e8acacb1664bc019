"""Speed of the SQLite stores: pages of 100 out of N stored alerts under many filters, and a shard's commit.

    python benchmarks/speed/bench_alert_store.py [--alerts 1000000] [--keep DIR]

Prints one JSON object: milliseconds at the median and at p99 for each query, and for commits of 500 rows of 1 KB.
"""

import argparse
import itertools
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.factories import make_alert

from tapewatch.model.alerts import Alert, severity_of
from tapewatch.model.times import MINUTE_NS
from tapewatch.stores.port import AlertQuery, Commit, OutboxEntry, StateRow
from tapewatch.stores.sqlite import Database, SqliteAlertStore, SqliteShardStore

START_NS = 1_744_000_000_000_000_000
RULES = ("price_move", "robust_return", "volume_spike", "stale_feed", "bad_print", "zscore", "sma")
STATES = ("resolved",) * 95 + ("retracted",) * 4 + ("firing",)


def alerts(n: int) -> Iterator[Alert]:
    """n alerts of 500 symbols, about 3 an incident; what is rare in life (critical, firing) is rare here."""
    rng = random.Random(1)
    template = make_alert()
    for i in range(n):
        symbol, rule = f"S{rng.randrange(500):03d}", rng.choice(RULES)
        score = min(100.0, 61.0 + rng.expovariate(0.15))
        onset_ns = START_NS + (i * 7_000_000_000 // MINUTE_NS) * MINUTE_NS
        yield msgspec.structs.replace(
            template,
            alert_id=f"{rng.getrandbits(128):032x}",
            incident_id=f"{symbol}-{i // 1500}",
            venue="XNAS",
            symbol=symbol,
            rule=rule,
            direction=rng.choice(("rise", "drop")),
            state=rng.choice(STATES),
            score=score,
            severity=severity_of(score),
            category="volume" if rule == "volume_spike" else "data_quality" if rule == "bad_print" else "price",
            onset_ns=onset_ns,
            ts_event_ns=onset_ns,
        )


def queries(n: int) -> dict[str, AlertQuery]:
    """Filters that are broad, narrow, rare, deep and empty, alone and combined."""
    middle = START_NS + n * 7_000_000_000 // 2
    hour = 60 * MINUTE_NS
    return {
        "newest": AlertQuery(),
        "oldest": AlertQuery(newest_first=False),
        "deep cursor": AlertQuery(after=(middle, "8")),
        "range of an hour": AlertQuery(from_ns=middle, to_ns=middle + hour),
        "symbol": AlertQuery(symbol="S123"),
        "symbol, range": AlertQuery(symbol="S123", from_ns=middle, to_ns=middle + 100 * hour),
        "critical": AlertQuery(severity=["critical"]),
        "firing": AlertQuery(state=["firing"]),
        "critical, firing, one rule, drop": AlertQuery(
            severity=["critical"], state=["firing"], rule=["sma"], direction=["drop"]
        ),
        "symbol, critical, retracted": AlertQuery(symbol="S123", severity=["critical"], state=["retracted"]),
        "high and critical, deep, oldest first": AlertQuery(
            severity=["high", "critical"], newest_first=False, after=(middle, "8")
        ),
        "category, direction, range": AlertQuery(
            category=["data_quality"], direction=["rise"], from_ns=middle, to_ns=middle + 10 * hour
        ),
        "all but one state": AlertQuery(state=["resolved", "retracted", "recovering"]),
        "incident": AlertQuery(incident_id="S123-100"),
        "nothing matches": AlertQuery(venue="XLON"),
    }


def timed(call: Callable[[], object], repeats: int) -> dict[str, float]:
    """Median and p99 of `repeats` calls in ms."""
    took = []
    for _ in range(repeats):
        began = time.perf_counter()
        call()
        took.append((time.perf_counter() - began) * 1e3)
    took.sort()
    return {"p50_ms": round(took[len(took) // 2], 3), "p99_ms": round(took[int(len(took) * 0.99)], 3)}


def bench_pages(database: Database, n: int) -> dict[str, object]:
    """Fill the store if it is empty, then page."""
    store = SqliteAlertStore(database, time.time_ns)
    began = time.perf_counter()
    stream = alerts(n) if not store.page(AlertQuery(limit=1)) else iter(())
    while batch := list(itertools.islice(stream, 5_000)):
        store.upsert(batch, [])
    filled_s = round(time.perf_counter() - began, 1)
    pages = {name: timed(lambda q=query: store.page(q), 300) for name, query in queries(n).items()}  # type: ignore[misc]  # mypy cannot infer a lambda with a default
    return {"alerts": n, "fill_s": filled_s, "pages": pages}


def bench_commit(database: Database) -> dict[str, float]:
    """500 rows of 1 KB and 20 outbox entries a commit."""
    store = SqliteShardStore(database)
    head, _ = store.claim("bench", "i", "f")
    position = itertools.count(head.next)

    def commit() -> None:
        start = next(position)
        rows = [StateRow(f"XNAS|S{i:03d}|hot", random.randbytes(1024)) for i in range(500)]
        outbox = [OutboxEntry("alert", "TSLA", b"x" * 1500)] * 20
        store.commit(
            Commit("bench", head.incarnation, head.fingerprint, head.epoch, start, start + 1, rows, outbox, {})
        )

    return timed(commit, 300)


def main() -> None:
    """Run both and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--alerts", type=int, default=1_000_000)
    parser.add_argument("--keep", type=Path, help="leave the database here and use it again")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        database = Database((args.keep or Path(temporary)) / "bench.sqlite")
        figures = {"commit": bench_commit(database), **bench_pages(database, args.alerts)}
        database.close()
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
