"""Speed of the shard store on a real Redis of this machine, which is started for it.

    python benchmarks/speed/bench_redis_shard_store.py [--commits 1000]

Prints one JSON object: milliseconds at the median and at p99 of a commit of 500 rows of 1 KB with 20 outbox entries and
of a small one, of draining and acknowledging those 20, of loading 500 of 10,000 rows, of taking over 10,000 rows, and
from the start of a small commit until who waits for the shard has heard of it.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tapewatch.model.secret import Secret
from tapewatch.model.ticks import Fate
from tapewatch.runtime.cluster.servers import redis
from tapewatch.stores.port import Commit, OutboxEntry, ShardHead, StateRow
from tapewatch.stores.redis import Moves, RedisShardStore, connect

SYMBOLS, ROWS, ENTRIES = 10_000, 500, 20


def make_commit(head: ShardHead, start: int, rows: int, entries: int) -> Commit:
    """A batch of as many records as rows; each commit writes other rows with other bytes."""
    data = os.urandom(1024)
    changed = [StateRow(f"XNAS|S{(start + i) % SYMBOLS:05}|hot", data) for i in range(rows)]
    outbox = [OutboxEntry("alert", f"S{i:05}", os.urandom(750).hex().encode()) for i in range(entries)]
    fates = {Fate.JUDGED: rows}
    return Commit(
        head.shard, head.incarnation, head.fingerprint, head.epoch, start, start + rows, changed, outbox, fates
    )


def timed(job: Callable[[], object]) -> float:
    """Milliseconds of one call."""
    start = time.perf_counter()
    job()
    return (time.perf_counter() - start) * 1e3


def summary(times_ms: list[float]) -> dict[str, float]:
    """Median and p99."""
    ranked = sorted(times_ms)
    return {"p50_ms": round(ranked[len(ranked) // 2], 3), "p99_ms": round(ranked[int(len(ranked) * 0.99)], 3)}


def measure(url: str, commits: int) -> dict[str, dict[str, float]]:
    """All figures, on an empty server."""
    client = connect(Secret(url))
    store = RedisShardStore(client)
    moves = Moves(client, store)
    head, _ = store.claim("s", "inc", "rules")
    for start in range(0, SYMBOLS, ROWS):
        store.commit(make_commit(head, start, ROWS, 0))
    moves.watch(["s"])
    moves.wait(0.5)
    at, seq = SYMBOLS, 0
    found: dict[str, list[float]] = {}

    def until_heard(commit: Commit) -> None:
        store.commit(commit)
        moves.wait(1)

    def note(name: str, job: Callable[[], object]) -> None:
        found.setdefault(name, []).append(timed(job))

    wanted = [f"XNAS|S{i * 20:05}|hot" for i in range(ROWS)]
    for _ in range(commits):
        batch, small = make_commit(head, at, ROWS, ENTRIES), make_commit(head, at + ROWS, 1, 0)
        note("commit of 500 rows, 20 entries", partial(store.commit, batch))
        moves.wait(1)
        note("commit of 1 row until heard", partial(until_heard, small))
        at, seq = at + ROWS + 1, seq + ENTRIES
        note("drain of 20 entries", lambda: store.drain("s", 1000))
        note("acknowledgement of 20 entries", partial(store.ack, "s", seq, head))
        note("load of 500 of 10,000 rows", lambda: store.load("s", wanted))
    for _ in range(20):
        note("claim of 10,000 rows", lambda: store.claim("s", "inc", "rules"))
    return {name: summary(times) for name, times in found.items()}


def main() -> None:
    """Print the figures with the file synced every second and at every commit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commits", type=int, default=1000)
    commits = parser.parse_args().commits
    results = {}
    for sync in ("everysec", "always"):
        with (
            tempfile.TemporaryDirectory() as folder,
            redis.start(Path(folder), settings={"appendfsync": sync}) as server,
        ):
            results[f"appendfsync {sync}"] = measure(server.address, commits)
    json.dump(results, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
