"""What a tape comes to, computed without any of the product's code: each record's fate, and the prototype's two rules.

Slow and plain on purpose: one record after another, every window added up anew.
"""

import json
import math
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any  # what JSON holds

from tapewatch.tape.port import RawBatch
from tests.faults.tapes import DEADLY

Found = tuple[str, str, str, str]
"""Rule, symbol, event time as the tape has it, direction."""


@dataclass
class Symbol:
    """What is remembered of one symbol."""

    bar: tuple[Any, ...] = ()
    acts: float = -math.inf
    closes: "deque[float]" = field(default_factory=lambda: deque(maxlen=20))


@dataclass
class Brute:
    """Feed it a partition's messages in order."""

    fates: "Counter[str]" = field(default_factory=Counter)
    found: set[Found] = field(default_factory=set)
    tied: set[Found] = field(default_factory=set)  # so near to a limit that the last bits of the arithmetic decide
    dead: set[int] = field(default_factory=set)  # offsets

    def __post_init__(self) -> None:
        self._symbols: dict[str, Symbol] = defaultdict(Symbol)

    def feed(self, raw: RawBatch) -> None:
        """The next messages."""
        for i, offset in enumerate(raw.offsets.tolist()):
            fate = self._take(raw.data[raw.starts[i] : raw.starts[i + 1]], raw.ts_append_ns[i] / 1e9)
            self.fates[fate] += 1
            if fate == "dead":
                self.dead.add(offset)

    def _take(self, value: bytes, appended: float) -> str:
        try:
            record = json.loads(value)
            if "heartbeat" in record:
                return "heartbeat"
            prices = tuple(float(record[name]) for name in ("open", "high", "low", "close"))
            moment = datetime.fromisoformat(record["timestamp"]).timestamp()
        except (ValueError, KeyError, TypeError):
            return "dead"
        if not all(map(math.isfinite, prices)) or record["symbol"].startswith(DEADLY):
            return "dead"
        acts = moment + record["interval_ns"] / 1e9
        if acts > appended + 60:
            return "future"
        symbol, bar = self._symbols[record["symbol"]], (moment, *prices, record["volume"])
        if acts < symbol.acts:
            return "late"
        if symbol.bar and moment == symbol.bar[0]:
            return "duplicate" if bar == symbol.bar else "correction"
        symbol.bar, symbol.acts = bar, acts
        if _possible(*prices):
            self._judge(record, symbol, prices[3])
        return "judged"

    def _judge(self, record: dict[str, Any], symbol: Symbol, close: float) -> None:
        symbol.closes.append(close)
        ten, twenty = list(symbol.closes)[-10:], list(symbol.closes)
        mean = math.fsum(ten) / len(ten)
        deviation = math.sqrt(math.fsum((c - mean) ** 2 for c in ten) / len(ten))
        if deviation > 0:
            self._look("zscore", record, close - mean, 2.5 * deviation)
        mean = math.fsum(twenty) / len(twenty)
        if len(twenty) == 20:
            self._look("sma", record, close - mean, 0.05 * mean)

    def _look(self, rule: str, record: dict[str, Any], difference: float, limit: float) -> None:
        name = (rule, record["symbol"], record["timestamp"][:19], "rise" if difference > 0 else "drop")
        if math.isclose(abs(difference), limit, rel_tol=1e-9):
            self.tied.add(name)
        if abs(difference) > limit:
            self.found.add(name)


def _possible(o: float, h: float, lo: float, c: float) -> bool:
    return min(o, h, lo, c) > 0 and lo <= min(o, c) and max(o, c) <= h
