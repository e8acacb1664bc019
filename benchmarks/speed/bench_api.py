"""`GET /alerts` of a running `tapewatch serve` with a million alerts stored, asked 100 times a second.

Requests are sent by the clock, whether earlier ones are answered or not, and are timed from when they were due: a
server that stalls is not asked less often. The client runs on the same machine and takes its share of it: where other
programs want the processors too, requests pile up, and p99 tells of the queue. The server's processor time a request
tells that apart.
"""

import asyncio
import time
from pathlib import Path

import httpx

from benchmarks.speed.measure import Target, cpu_s, judge, served
from benchmarks.speed.stored import APART_NS, START_NS, fill
from tapewatch.model.times import MINUTE_NS, format_rfc3339

RATE = 100
TARGETS = (Target("page_p99_ms", "at most", 50.0),)


def _paths(alerts: int) -> dict[str, str]:
    middle = START_NS + alerts * APART_NS // 2
    begin, end = format_rfc3339(middle), format_rfc3339(middle + 60 * MINUTE_NS)
    return {
        "newest": "/alerts?limit=100",
        "range": f"/alerts?limit=100&from={begin}&to={end}",
        "symbol": "/alerts/S123?limit=100",
        "critical and firing": "/alerts?limit=100&severity=critical&state=firing",
    }


async def _asked(address: str, paths: list[str], rate: int, seconds: float) -> list[float]:
    took: list[float] = []
    limits = httpx.Limits(max_connections=64)
    async with httpx.AsyncClient(base_url=address, limits=limits, timeout=30.0) as client:

        async def ask(path: str, due: float) -> None:
            answer = await client.get(path)
            took.append((time.perf_counter() - due) * 1e3)
            answer.raise_for_status()

        for path in paths:  # connections and caches
            await asyncio.gather(*(ask(path, time.perf_counter()) for _ in range(8)))
        took.clear()
        began = time.perf_counter()
        asked = []
        for at in range(int(rate * seconds)):
            due = began + at / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            asked.append(asyncio.create_task(ask(paths[at % len(paths)], due)))
        await asyncio.gather(*asked)
    return took


def _spread(took: list[float]) -> dict[str, float]:
    took = sorted(took)
    return {f"p{p}_ms": round(took[min(len(took) - 1, len(took) * p // 100)], 2) for p in (50, 90, 99, 100)}


def bench(folder: Path, alerts: int = 1_000_000, seconds: float = 10.0) -> dict[str, object]:
    """The newest page, then further pages by cursor, then a mix of filters."""
    fill(folder / "stored", alerts)
    paths = _paths(alerts)
    with served("--data-dir", str(folder / "stored"), "--port", "0", ready="tapewatch serves ") as (line, pid):
        address = line.split()[0]
        onward = httpx.get(address + paths["newest"], timeout=30.0).json()["next"]
        asked = {"newest": [paths["newest"]], "by cursor": [onward], "mixed": [*paths.values(), onward]}
        took, cpu_ms = {}, {}
        for name, some in asked.items():
            before = cpu_s(pid)
            took[name] = asyncio.run(_asked(address, some, RATE, seconds))
            after = cpu_s(pid)
            cpu_ms[name] = (
                None if before is None or after is None else round((after - before) * 1e3 / len(took[name]), 2)
            )
    spread = {name: {**_spread(t), "server_cpu_ms_a_request": cpu_ms[name]} for name, t in took.items()}
    figures = {"alerts": alerts, "page": 100, "requests_per_s": RATE, **spread}
    return {"figures": figures, "targets": judge(TARGETS, {"page_p99_ms": _spread(took["newest"])["p99_ms"]})}
