"""A data directory with many alerts in it, as a year of a busy desk would leave."""

import itertools
import random
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
from tests.factories import make_alert

from tapewatch.model.alerts import Alert, severity_of
from tapewatch.model.times import MINUTE_NS
from tapewatch.runtime.embedded import DATABASE
from tapewatch.runtime.notices import CURSOR
from tapewatch.stores.port import AlertQuery
from tapewatch.stores.sqlite import Database, SqliteAlertStore, SqliteCursors

START_NS = 1_744_000_000_000_000_000
APART_NS = 7_000_000_000
RULES = ("price_move", "robust_return", "volume_spike", "stale_feed", "bad_print", "zscore", "sma")
STATES = ("resolved",) * 95 + ("retracted",) * 4 + ("firing",)


def alerts(n: int) -> Iterator[Alert]:
    """n alerts of 500 symbols, about 3 an incident; what is rare in life (critical, firing) is rare here."""
    rng = random.Random(1)
    template = make_alert()
    for i in range(n):
        symbol, rule = f"S{rng.randrange(500):03d}", rng.choice(RULES)
        score = min(100.0, 61.0 + rng.expovariate(0.15))
        onset_ns = START_NS + (i * APART_NS // MINUTE_NS) * MINUTE_NS
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


def fill(data_dir: Path, n: int) -> float:
    """Store n alerts where there are none yet; returns the seconds that it took."""
    data_dir.mkdir(parents=True, exist_ok=True)
    database = Database(data_dir / DATABASE)
    store = SqliteAlertStore(database, time.time_ns)
    began = time.perf_counter()
    stream = alerts(n) if not store.page(AlertQuery(limit=1)) else iter(())
    while batch := list(itertools.islice(stream, 5_000)):
        store.upsert(batch, [])
    with database.read() as db:
        (last,) = db.execute("SELECT max(seq) FROM changes").fetchone()
    SqliteCursors(database).put(CURSOR, last)  # or a server would first write a million notices
    database.close()
    return time.perf_counter() - began
