"""Five detectors through the whole engine (state, signals, episodes) against a hand-written fused loop of the same.

Both start cold on the same 1M minute bars of 500 symbols and must find the same signals: same records, same rules.
"""

from dataclasses import asdict
from typing import Any

import numpy as np

from benchmarks.speed import fused, rules, tapes
from benchmarks.speed.measure import Target, Work, interleaved, judge
from tapewatch.detection.engine import Engine
from tapewatch.model.ticks import TickBatch

SYMBOLS = 500
TARGETS = (Target("percent_of_the_fused_loop", "at least", 65.0),)
_PARAMETERS = (  # rule, field: in the order in which the fused loop reads them
    ("bad_print", "jump"), ("bad_print", "off_scale"),
    ("price_move", "horizon_ns"), ("price_move", "pct"), ("price_move", "min_ticks"),
    ("robust_return", "min_z"), ("robust_return", "min_pct"), ("robust_return", "min_ticks"),
    ("robust_return", "opens_days"),
    ("volume_spike", "ratio"), ("volume_spike", "price_z"), ("volume_spike", "min_pct"), ("volume_spike", "min_z_24h"),
    ("stale_feed", "factor"), ("stale_feed", "least_ns"), ("stale_feed", "most_ns"),
    ("volume_spike", "turn_ratio"), ("volume_spike", "elasticity"), ("volume_spike", "carried"),
)  # fmt: skip


def _parameters(engine: Engine) -> "np.ndarray[Any, np.dtype[np.float64]]":
    record = engine.rules.record()[0]
    at = {rule.name: i for i, rule in enumerate(engine.rules.rules)}
    return np.array([record[f"p{at[rule]}"][field] for rule, field in _PARAMETERS], np.float64)


def _signals(engine: Engine, batch: TickBatch) -> set[tuple[int, int]]:
    events = engine.process(batch).events
    fired = events[events["fired"] == 1]
    return set(zip(fired["record"].tolist(), fired["rule"].tolist(), strict=True))


def bench(rounds: int = 9, ticks: int = 1_000_000) -> dict[str, object]:
    """In turn; AssertionError where the two disagree about a single signal."""
    known = rules.calibration()
    batch = tapes.Market(SYMBOLS).bars(ticks // SYMBOLS)
    group = known.table()[known.group_index(batch.symbols[0])]
    parameters = _parameters(rules.five(known))
    symbol = batch.symbol_id.astype(np.uint32)

    def engine() -> Work:
        ready = rules.five(known)
        return lambda: ready.process(batch)

    def by_hand() -> Work:
        memory = fused.Memory(SYMBOLS)
        return lambda: fused.fused(batch, memory, group, parameters, symbol)

    found = fused.fused(batch, fused.Memory(SYMBOLS), group, parameters, symbol)
    ours = _signals(rules.five(known), batch)
    theirs = {(int(record), int(rule)) for record, rule in found}
    if ours != theirs:
        raise AssertionError(f"{len(ours)} signals against {len(theirs)}; differing: {sorted(ours ^ theirs)[:10]}")
    took = interleaved({"tapewatch": engine, "fused": by_hand}, rounds)
    own, hand = took["tapewatch"].median_ms, took["fused"].median_ms
    figures = {
        "ticks": ticks,
        "symbols": SYMBOLS,
        "signals": len(ours),
        "events": len(rules.five(known).process(batch).events),
        "ns_a_tick": {"tapewatch": round(own * 1e6 / ticks, 1), "fused": round(hand * 1e6 / ticks, 1)},
        "percent_by_cpu_time": round(100.0 * took["fused"].cpu_ms / took["tapewatch"].cpu_ms, 1),
        "took": {name: {k: round(v, 2) for k, v in asdict(t).items()} for name, t in took.items()},
    }
    return {"figures": figures, "targets": judge(TARGETS, {"percent_of_the_fused_loop": 100.0 * hand / own})}
