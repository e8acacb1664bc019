"""What tuning found, as plain values: what its JSON holds and the command prints."""

from typing import Literal

import msgspec

from tapewatch.detection.backtest.result import RateOf, ShareOf


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One rule at one factor: what it alone costs and finds."""

    factor: float
    incidents: int
    per_symbol_day: float
    found: int
    noise: int  # alerts that people had closed as data errors or expected, told again


class RuleTuning(msgspec.Struct, frozen=True, kw_only=True):
    """A rule in a group: the factor that its thresholds are to get, and the whole curve that it was chosen from."""

    rule: str
    group: str
    factor: float
    thresholds: dict[str, tuple[float, float]]  # parameter: before, after
    curve: list[Point]

    def chosen(self) -> Point:
        return next(p for p in self.curve if p.factor == self.factor)

    def before(self) -> Point:
        return next(p for p in self.curve if p.factor == 1.0)


class GroupTuning(msgspec.Struct, frozen=True, kw_only=True):
    """All rules of a group together, on the days that tuning saw."""

    group: str
    symbol_days: int
    most: float  # incidents that the budget allows
    incidents: int
    labels: int
    found: int
    within_budget: bool


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One rule set over the whole history: on the days that tuning saw, and on those that it did not."""

    name: str
    seen: RateOf
    unseen: RateOf | None
    seen_recall: ShareOf | None
    unseen_recall: ShareOf | None


class Tuning(msgspec.Struct, frozen=True, kw_only=True):
    """The proposal and how it was come by. `fingerprint` names proposed rules and calibration together."""

    name: str
    fingerprint: str
    calibration: str  # digest
    budget: float
    first_unseen_day: str | None
    groups: list[GroupTuning]
    rules: list[RuleTuning]
    before: Outcome
    after: Outcome
    kind: Literal["tuning"] = "tuning"
