"""The result of a backtest as plain values: what its JSON file holds and its PDF prints."""

from typing import Any, Literal

import msgspec

from tapewatch.alerts.bootstrap import Interval
from tapewatch.model.alerts import Incident


class RateOf(msgspec.Struct, frozen=True, kw_only=True):
    """So many incidents in so many symbol-days. `interval`: 95 %, by a bootstrap over days."""

    incidents: int
    per_symbol_day: float
    interval: Interval


class ShareOf(msgspec.Struct, frozen=True, kw_only=True):
    """successes / trials with the exact 95 % interval (Clopper-Pearson); None where nothing was tried."""

    successes: int
    trials: int
    value: float | None
    interval: Interval


class RuleCount(msgspec.Struct, frozen=True, kw_only=True):
    rule: str
    version: str
    alerts: int  # that opened
    incidents: int  # that it had a part in and that were not withdrawn
    alone: int  # of them, those in which no other rule had a part


class SymbolCount(msgspec.Struct, frozen=True, kw_only=True):
    venue: str
    symbol: str
    days: int
    price: int
    data_quality: int


class DayCount(msgspec.Struct, frozen=True, kw_only=True):
    day: str  # of the venue
    symbols: int
    price: int
    data_quality: int


class KindScore(msgspec.Struct, frozen=True, kw_only=True):
    """Labels of one kind: how many were found, and when. Delays are event time, negative before the onset."""

    kind: str
    recall: ShareOf
    median_delay_s: float | None
    delays_s: list[float]
    late: int  # of the missed, those told later but before their end


class LabelScore(msgspec.Struct, frozen=True, kw_only=True):
    """A side against the labels. `neutral` incidents are neither true nor false."""

    recall: ShareOf
    precision: dict[str, ShareOf]  # by family: price, data_quality
    neutral: int
    kinds: list[KindScore]
    traps: dict[str, ShareOf]  # how many fired
    missed: list[dict[str, Any]]  # labels
    false_incidents: list[str]
    unlabelled_moved: RateOf  # price incidents that no label knows of where the price moved 5 % within 5 minutes
    unlabelled_calm: RateOf  # and where it did not


class SideResult(msgspec.Struct, frozen=True, kw_only=True):
    """What one rule set told. Incidents that were withdrawn are counted in `retracted` alone."""

    name: str
    source: str
    fingerprint: str
    calibration: str
    fates: dict[str, int]
    price: RateOf
    price_high: RateOf  # of them, at high or above
    data_quality: RateOf
    retracted: int
    severities: dict[str, int]
    rules: list[RuleCount]
    symbols: list[SymbolCount]
    days: list[DayCount]
    busiest: list[DayCount]
    score: LabelScore | None
    incidents: list[Incident]


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """Incidents of one side that the other has nothing like: no incident of the symbol and family at the same time."""

    both: int
    only_a: list[str]
    only_b: list[str]


class BacktestResult(msgspec.Struct, frozen=True, kw_only=True):
    """`kind` marks it wherever it goes: none of this happened live, and no store or notice knows of it."""

    kind: Literal["backtest"] = "backtest"
    note: str = "Results of a backtest on historical data. Nothing here was told to anybody."
    tapewatch: str
    generated: str
    history: list[str]
    records: int  # heartbeats among them
    unreadable: int
    symbols: int
    symbol_days: int
    first: str | None
    last: str | None
    tolerance_s: float
    labels: int | None  # that the history could show; those of other symbols and times are in `labels_outside`
    labels_outside: int
    a: SideResult
    b: SideResult | None
    difference: Difference | None
