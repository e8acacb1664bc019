"""What is known to be on a tape: planted or hand-labelled events, and traps that must stay silent."""

from typing import Literal

import msgspec

from tapewatch.model.signals import Direction

AnomalyKind = Literal[
    "drop",
    "rise",
    "flash_crash",
    "pump_dump",
    "volume_surge",
    "market_selloff",
    "bad_print",
    "stale_feed",
]
TrapKind = Literal["level_shift", "volatility_regime", "open_close_volume", "overnight_gap", "announced_split"]

ANOMALY_KINDS: tuple[AnomalyKind, ...] = (
    "drop",
    "rise",
    "flash_crash",
    "pump_dump",
    "volume_surge",
    "market_selloff",
    "bad_print",
    "stale_feed",
)
TRAP_KINDS: tuple[TrapKind, ...] = (
    "level_shift",
    "volatility_regime",
    "open_close_volume",
    "overnight_gap",
    "announced_split",
)
LASTING_KINDS = frozenset({"flash_crash", "pump_dump"})
"""Kinds that are planted over several bars: nothing of their size is there before the last of them (a fall that is made
good, a rise of four bars)."""
DATA_QUALITY_KINDS = frozenset({"bad_print", "stale_feed"})


class Label(msgspec.Struct, frozen=True, kw_only=True):
    """One event (or, with `is_trap`, one stretch in which nothing may fire) of one symbol.

    `onset_ns` is the start of the first bar, or of the first seconds of trading, that it touches; `end_ns` that of the
    last one. `size` is a fraction of the price (0.05: 5 %), for `volume_surge` and `open_close_volume` a multiple of
    the normal volume, for `stale_feed` seconds, for `volatility_regime` a factor of the variance. `size_times` is that
    size in units of what the same market does once in 100 symbol-days; 0 where that has no meaning.
    Members of one market-wide event share `event`.
    """

    event: int
    kind: str
    is_trap: bool
    venue: str
    symbol: str
    onset_ns: int
    end_ns: int
    direction: Direction
    size: float
    size_times: float
    note: str = ""
