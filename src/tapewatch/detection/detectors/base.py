"""What a detector is: parameters, a row of state, a compiled step, and words that explain.

A detector is one file that ends in `DETECTOR = Detector(...)`, listed in the package's tuple or found through the entry
point group `tapewatch.detectors`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np

from tapewatch.model.alerts import Alert
from tapewatch.model.signals import Detail

Feature = Literal["recent", "scale", "volume", "quarantine"]


class Tick(NamedTuple):
    """One accepted record as a kernel sees it; scalars only. Prices and volumes are as delivered."""

    event_ns: int
    act_ns: int
    interval_ns: int  # 0 for a trade; a chunk of trades acts when it is stamped, at its end
    open: float
    high: float
    low: float
    close: float
    volume: float  # 0 where unknown
    dt_ns: int  # since the last accepted tick; 0 for the first
    fresh: int  # 1 where no return may be taken: the first tick, or the first after a gap
    ret: float  # log return against the last close in the windows, scaled down by sqrt(missing time); NaN if fresh
    phase: int
    verdict: int  # 0, or why the tick is quarantined (codes in `quarantine`); for a detector of fates, which it met
    known: int  # 1 where the volume of this phase is known
    step: float  # tick size, in price
    sigma: float  # robust scale of `ret` for this phase and time of day; NaN where there is not enough
    source: int  # where sigma came from (codes in stats.scale)
    normal_volume: float  # expected for this time of day; NaN where unknown
    volume_dev: float  # mean absolute log deviation of volume
    per_day: float  # ticks of this length in the phase of one day


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of a detector's parameters. Percents are percents, times are durations like "5m"."""


@dataclass(frozen=True, slots=True, eq=False)
class Detector:
    """Describes one algorithm.

    `step(state, params, head, group, tick, signal) -> level` is a Numba function: it compares the tick with what
    came before, then takes it into `state`, and fills `signal` (an `EVENT` row) where it returns HALF or FIRE:
    direction, score, rarity, calibrated, value, threshold, before, source, detail. `due(state, params, head,
    deadline_ns, signal)
    -> level` exists where the state has `deadline_ns`, its timer. A state with a field `provisional`, which is the
    engine's, says that `step` keeps nothing of a tick and sees chunks: it is then asked before a bar is over as well.
    """

    name: str
    version: int
    params: type[Params]
    state: np.dtype[Any]  # fixed layout of int64 and float64 (counts within a window: int32), at least one field
    record: np.dtype[Any]  # compiled parameters
    pack: Callable[[Any], Mapping[str, float | int]]  # Params -> fields of `record`
    step: Callable[..., int]
    statistic: str  # what `value` and `threshold` measure
    details: tuple[str, ...]  # names of signal.detail[0..]
    sentence: Callable[[Alert], str]  # what happened against what was expected, from the numbers
    category: Literal["price", "volume", "data_quality"] = "price"
    alert_type: str | None = None  # instead of rise or drop
    closes: Callable[[Any], int] = lambda _: 0  # how many closes of the shared window it reads
    features: frozenset[Feature] = frozenset()
    due: Callable[..., int] | None = None
    chunks: bool = False  # sees trades as chunks (like bars, their counts in `head.chunk`) and not one by one
    verdicts: bool = False  # judges quarantined ticks, and only those
    fates: bool = False  # judges late, repeated and corrected records, at the symbol's clock, and only those
    across: bool = False  # compares the venues of one name at each minute's end, in a `step` of another form (`peers`)
    directed: bool = True  # its alerts are rises or drops; those of data quality never are
    defaults: Mapping[str, Detail] = field(default_factory=dict)  # common settings that suit it
    knobs: Mapping[str, float] = field(default_factory=dict)  # parameters that `tune` scales, each to this power

    @property
    def has_direction(self) -> bool:
        """Are its alerts rises or drops?"""
        return self.directed and self.category != "data_quality"
