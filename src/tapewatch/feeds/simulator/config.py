"""What a simulated market is: one frozen value, from which every record of it follows."""

from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from tapewatch.alerts.labels import ANOMALY_KINDS, TRAP_KINDS
from tapewatch.detection.calendars import venue_info
from tapewatch.model.errors import InputError
from tapewatch.model.times import SECOND_NS

TRADE_GRID_S = 5
"""Seconds between the points of the price path that trades are drawn from."""

MAX_RECORDS_A_DAY = 4_000_000
"""A day is made at once, at up to 250 bytes a record: this keeps it at a gigabyte."""

MAX_PLANTED_CELL_S = 300
"""With longer bars, a half-day is too short for a pump and what surrounds it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is planted: at most `rate` plants (in expectation) a symbol and day, of kinds drawn evenly from `kinds`.

    `times` is the range that sizes are drawn from, in units of what the unplanted market does once in 100 symbol-days
    in that kind's own statistic. Two plants of a symbol are at least `min_distance_min` minutes apart; nothing is
    planted on the first `warmup_days` days. A market sell-off takes the whole market's day.
    """

    kinds: tuple[str, ...] = ANOMALY_KINDS
    rate: float = 1.0
    times: tuple[float, float] = (1.5, 1.5)
    min_distance_min: int = 60
    warmup_days: int = 1

    def __post_init__(self) -> None:
        known = (*ANOMALY_KINDS, *TRAP_KINDS)
        for kind in self.kinds:
            if kind not in known:
                raise InputError(f"cannot plant {kind!r}: the kinds are {', '.join(known)}")
        if not self.kinds:
            raise InputError("a plan needs at least one kind")
        if not 0 <= self.rate <= 24:
            raise InputError(f"rate is {self.rate}, it must be between 0 and 24 a symbol and day")
        if not 0 < self.times[0] <= self.times[1]:
            raise InputError(f"times is {self.times}, it must be a range of positive numbers, the lower one first")
        if self.min_distance_min < 1 or self.warmup_days < 0:
            raise InputError("min_distance_min must be at least 1, warmup_days at least 0")


@dataclass(frozen=True, slots=True)
class SimulatorConfig:
    """A market of `stocks` and `crypto` symbols over `days` days from `start`.

    A day runs from midnight to midnight in the zone of `stock_venue` (UTC without stocks). Without crypto, days on
    which the exchange is closed are passed over and do not count. `interval_s` is the length of a bar; in mode `trades`
    there are about `trades_per_min` trades a minute and symbol instead. `df` are the degrees of freedom of a symbol's
    own returns. `extended_hours` adds the phases before and after the regular session. `plan` None plants nothing.
    """

    seed: int = 1
    stocks: int = 8
    crypto: int = 4
    start: date = date(2025, 3, 3)
    days: int = 5
    mode: Literal["bars", "trades"] = "bars"
    interval_s: int = 60
    trades_per_min: float = 20.0
    df: float = 3.5
    extended_hours: bool = False
    stock_venue: str = "XNAS"
    crypto_venue: str = "binance"
    plan: Plan | None = field(default_factory=Plan)

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise InputError(f"seed is {self.seed}, it must not be negative")
        if self.stocks < 0 or self.crypto < 0 or self.stocks + self.crypto == 0:
            raise InputError("a market needs at least one symbol")
        if self.days < 1:
            raise InputError(f"days is {self.days}, it must be at least 1")
        if self.interval_s < 1 or 3600 % self.interval_s:
            raise InputError(f"interval_s is {self.interval_s}, it must divide an hour")
        if not self.df > 2:
            raise InputError(f"df is {self.df}, below which a return has no variance: it must be above 2")
        if self.plan is not None and self.cell_s > MAX_PLANTED_CELL_S:
            raise InputError(
                f"interval_s is {self.interval_s}: bars of over {MAX_PLANTED_CELL_S} s have no room for plants"
            )
        if not 0 < self.trades_per_min <= 6000:
            raise InputError(f"trades_per_min is {self.trades_per_min}, it must be above 0 and at most 6000")
        if self.stocks and not venue_info(self.stock_venue).calendar:
            raise InputError(f"stock_venue {self.stock_venue!r} has no calendar")
        if self.crypto and venue_info(self.crypto_venue).kind != "crypto":
            raise InputError(f"crypto_venue {self.crypto_venue!r} is not a crypto venue (lower-case CCXT name)")
        if self.records_a_day > MAX_RECORDS_A_DAY:
            raise InputError(
                f"about {self.records_a_day:,} records a day are more than {MAX_RECORDS_A_DAY:,}: "
                "take fewer symbols, longer bars or fewer trades a minute"
            )

    @property
    def records_a_day(self) -> int:
        """About how many bars or trades a day has (the cells of the price path, where those are more)."""
        minutes = self.stocks * (960 if self.extended_hours else 390) + self.crypto * 1440
        trades_per_min = self.trades_per_min if self.mode == "trades" else 0.0
        return int(minutes * max(60 / self.cell_s, trades_per_min))

    @property
    def cell_s(self) -> int:
        """Seconds between two points of the price path: the bar's length, or the trades' grid."""
        return self.interval_s if self.mode == "bars" else TRADE_GRID_S

    @property
    def cell_ns(self) -> int:
        return self.cell_s * SECOND_NS
