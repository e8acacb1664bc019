"""When a simulated market trades: its days, the cells of each day, and how busy each cell is."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from tapewatch.detection.calendars import Phase, boundaries, venue_info
from tapewatch.feeds.simulator.config import SimulatorConfig
from tapewatch.feeds.simulator.universe import MarketKind
from tapewatch.model.times import datetime_to_ns

_STOCK_SESSION_S, _DAY_S = 390 * 60, 86_400
_EXTENDED_SIGMA, _EXTENDED_VOLUME = 0.45, 0.03  # of the regular session's mean
MAX_SEARCH_DAYS = 30  # no exchange is closed for longer


@dataclass(frozen=True, slots=True)
class DaySpan:
    """One day of the tape: [from_ns, to_ns)."""

    index: int
    from_ns: int
    to_ns: int


@dataclass(frozen=True, slots=True)
class Cells:
    """The cells of one market and day, oldest first; none where the exchange is closed.

    `sigma` and `volume` are a cell's share of a day's standard deviation and volume; `regular` marks the cells of the
    regular session (crypto: all).
    """

    ts_ns: NDArray[np.int64]
    regular: NDArray[np.bool_]
    sigma: NDArray[np.float64]
    volume: NDArray[np.float64]

    def __len__(self) -> int:
        return int(self.ts_ns.shape[0])


def day_spans(config: SimulatorConfig) -> tuple[DaySpan, ...]:
    """The days of the tape; without crypto, only those on which the exchange opens."""
    zone = ZoneInfo(venue_info(config.stock_venue).zone if config.stocks else "UTC")
    found: list[DaySpan] = []
    day = config.start
    while len(found) < config.days:
        span = DaySpan(len(found), _midnight_ns(day, zone), _midnight_ns(day + timedelta(days=1), zone))
        if config.crypto or len(cells_of(config, MarketKind.STOCK, span)):
            found.append(span)
        elif (day - config.start).days > config.days * 7 + MAX_SEARCH_DAYS:
            raise AssertionError("a weekly pattern always has a session")
        day += timedelta(days=1)
    return tuple(found)


def _midnight_ns(day: date, zone: ZoneInfo) -> int:
    return datetime_to_ns(datetime.combine(day, time(), zone))


def cells_of(config: SimulatorConfig, kind: MarketKind, span: DaySpan) -> Cells:
    """The cells of one market on one day."""
    step = config.cell_ns
    if kind is MarketKind.CRYPTO:
        ts_ns = np.arange(span.from_ns, span.to_ns, step, dtype=np.int64)
        return _crypto_shape(ts_ns, config.cell_s)
    wanted = (Phase.PRE, Phase.REGULAR, Phase.POST) if config.extended_hours else (Phase.REGULAR,)
    starts, phases = boundaries(config.stock_venue, span.from_ns, span.to_ns)
    ends = np.append(starts[1:], span.to_ns)
    parts = [
        (np.arange(max(int(begin), span.from_ns), end, step, dtype=np.int64), phase)
        for begin, end, phase in zip(starts, ends, phases, strict=True)
        if phase in wanted
    ]
    ts_ns = np.concatenate([p[0] for p in parts]) if parts else np.zeros(0, dtype=np.int64)
    regular = np.concatenate([np.full(p[0].size, p[1] == Phase.REGULAR) for p in parts]) if parts else ts_ns > 0
    return _stock_shape(ts_ns, regular, config.cell_s)


def _stock_shape(ts_ns: NDArray[np.int64], regular: NDArray[np.bool_], cell_s: int) -> Cells:
    """The U of a session: volatile and busy after the open, quiet at noon, busier towards the close."""
    count = int(regular.sum())
    x = (np.arange(count) + 0.5) / max(count, 1)
    sigma_u = 0.82 + 1.3 * np.exp(-x / 0.05) + 0.35 * np.exp(-(1 - x) / 0.08)
    volume_u = 0.62 + 3.0 * np.exp(-x / 0.05) + 2.5 * np.exp(-(1 - x) / 0.04)
    sigma = np.full(ts_ns.size, _EXTENDED_SIGMA)
    volume = np.full(ts_ns.size, _EXTENDED_VOLUME)
    sigma[regular], volume[regular] = sigma_u, volume_u
    a_day = _STOCK_SESSION_S / cell_s
    return Cells(ts_ns, regular, sigma / np.sqrt(a_day), volume / a_day)


def _crypto_shape(ts_ns: NDArray[np.int64], cell_s: int) -> Cells:
    """Open all day; somewhat busier around 15:00 UTC, when Europe and America are both awake."""
    hour = (ts_ns / 3.6e12) % 24
    swing = np.cos((hour - 15) * (np.pi / 12))
    a_day = _DAY_S / cell_s
    return Cells(
        ts_ns, np.ones(ts_ns.size, dtype=np.bool_), (1 + 0.15 * swing) / np.sqrt(a_day), (1 + 0.3 * swing) / a_day
    )
