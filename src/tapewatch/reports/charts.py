"""Candlestick charts as SVG text: pure, deterministic, self-contained, fit for print.

Rising bars are hollow and falling bars filled, so that a chart says the same in black and white; colour is for alerts.
Every text that comes from outside is escaped, and characters that XML forbids are replaced.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from tapewatch.model.alerts import Severity
from tapewatch.model.bars import Bars
from tapewatch.model.signals import Direction
from tapewatch.model.times import DAY_NS, HOUR_NS, MINUTE_NS, SECOND_NS
from tapewatch.reports import svg
from tapewatch.reports.times import LocalTimes

SEVERITY_COLOURS: dict[Severity, str] = {
    "low": "#64748b",
    "medium": "#b7791f",
    "high": "#c2410c",
    "critical": "#9f1239",
}
_INK, _GREY, _GRID, _RISE, _FALL = "#1e293b", "#64748b", "#e2e8f0", "#33658a", "#1e293b"
_VOLUME = "#94a3b8"
_COURSE = "#7c5c9e"
_FONT = "'Libertinus Serif', Georgia, 'Times New Roman', serif"
_LANES, _LANE_HEIGHT, _LETTER = 8, 13.0, 4.5
_TIME_STEPS = (
    *(SECOND_NS * s for s in (1, 5, 10, 30)),
    *(MINUTE_NS * m for m in (1, 2, 5, 10, 15, 30)),
    *(HOUR_NS * h for h in (1, 2, 4, 6, 12)),
    *(DAY_NS * d for d in (1, 2, 7, 14, 28, 56, 112, 364, 728, 3640)),
)


@dataclass(frozen=True, slots=True)
class Marker:
    """One alert on a chart: `number` ties it to the list beside it, `label` is free text, shown where it fits."""

    number: int
    ts_ns: int
    price: float
    label: str
    severity: Severity
    direction: Direction


@dataclass(frozen=True, slots=True)
class Line:
    """A course to hold the bars against, in their price: times ascending; NaN is a hole. `dashes` is SVG's."""

    label: str
    ts_ns: NDArray[np.int64]
    price: NDArray[np.float64]
    dashes: str = ""


@dataclass(frozen=True, slots=True)
class _Panel:
    """Maps times and values to coordinates of a rectangle."""

    left: float
    right: float
    top: float
    bottom: float
    from_ns: int
    to_ns: int
    low: float
    high: float

    def x(self, ts_ns: float) -> float:
        return self.left + (ts_ns - self.from_ns) / (self.to_ns - self.from_ns) * (self.right - self.left)

    def y(self, value: float) -> float:
        return self.bottom - (value - self.low) / (self.high - self.low) * (self.bottom - self.top)


@dataclass(frozen=True, slots=True)
class _Badge:
    """Where a marker's number and label go above the chart."""

    mark: Marker
    x: float
    y: float
    half: float  # of the badge's width
    label: bool  # whether there is room for it
    to_left: bool


def candlestick(
    bars: Bars,
    markers: Sequence[Marker],
    *,
    from_ns: int,
    to_ns: int,
    zone: ZoneInfo,
    lines: Sequence[Line] = (),
    width: float = 600.0,
    height: float = 194.0,
) -> str:
    """Draw the bars of [from_ns, to_ns) with their volume below and the markers on them, as one `<svg>` element.

    The time axis is linear, so that a hole in the data is a hole in the chart. Bars with a price that is not a positive
    finite number are left out, and the chart says how many. Without any bar it says that there is no history.
    """
    if to_ns <= from_ns:
        raise ValueError(f"an empty range: from {from_ns} to {to_ns}")
    drawn, left_out = _drawable(bars, from_ns, to_ns)
    parts = [_opening(width, height)]
    if not len(drawn.ts_ns):
        middle = (width / 2, height / 2)
        parts.append(svg.text(middle, "No price history is kept for this range.", _GREY, 12, anchor="middle"))
        return "".join([*parts, "</svg>"])
    marks = sorted((m for m in markers if from_ns <= m.ts_ns < to_ns), key=lambda m: (m.ts_ns, m.number))
    interval = _interval(drawn)
    low, high = _price_range(drawn, marks, lines)
    prices = _Panel(4.0, width - 52.0, 10.0, height - 56.0, from_ns, to_ns, low, high)
    badges = _badges(marks, prices, interval)
    prices = replace(prices, top=10.0 + max((badge.y + 4.0 for badge in badges), default=0.0))
    volumes = _Panel(4.0, width - 52.0, prices.bottom + 8.0, height - 28.0, from_ns, to_ns, 0.0, _volume_top(drawn))
    parts.append(_time_axis(prices, volumes, LocalTimes(zone)))
    parts.append(_price_axis(prices))
    parts.extend(_leader(badge, volumes.bottom) for badge in badges)
    parts.append(_volume_bars(drawn, volumes, interval))
    name_at = _name_at(drawn, prices, len(lines))
    parts.extend(_course(line, prices, name_at + 10.0 * k) for k, line in enumerate(lines))
    parts.append(_candles(drawn, prices, interval))
    parts.extend(_triangle(badge, prices) + _badge(badge) for badge in badges)
    if left_out:
        note = f"{left_out} bars without a usable price are not drawn."
        parts.append(svg.text((prices.left, height - 2), note, _GREY))
    return "".join([*parts, "</svg>"])


def nice_step(span: float, most: int) -> float:
    """The smallest of 1, 2, 5 times a power of ten that divides `span` into at most `most` steps.

    >>> nice_step(23.0, 6), nice_step(0.0004, 4)
    (5.0, 0.0001)
    """
    power = 10.0 ** math.floor(math.log10(span / most))
    return next((m * power for m in (1.0, 2.0, 5.0) if span / (m * power) <= most), 10.0 * power)


def _opening(width: float, height: float) -> str:
    w, h = svg.number(width), svg.number(height)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" width="{w}" height="{h}" '
        f'font-family="{_FONT}" role="img"><rect width="{w}" height="{h}" fill="#ffffff"/>'
    )


def _drawable(bars: Bars, from_ns: int, to_ns: int) -> tuple[Bars, int]:
    """The bars of the range that can be drawn, and how many of it cannot."""
    inside = (bars.ts_ns >= from_ns) & (bars.ts_ns < to_ns)
    keep = inside.copy()
    for column in (bars.open, bars.high, bars.low, bars.close):
        keep &= np.isfinite(column) & (column > 0.0)
    drawn = Bars(
        ts_ns=bars.ts_ns[keep],
        open=bars.open[keep],
        high=bars.high[keep],
        low=bars.low[keep],
        close=bars.close[keep],
        volume=bars.volume[keep],
    )
    return drawn, int(inside.sum() - keep.sum())


def _interval(bars: Bars) -> int:
    """The usual distance of two bars: the smallest one, at most an hour; a minute where there is one bar only."""
    steps = np.diff(bars.ts_ns)
    steps = steps[steps > 0]
    return int(min(steps.min(), HOUR_NS)) if len(steps) else MINUTE_NS


def _price_range(bars: Bars, marks: Sequence[Marker], lines: Sequence[Line]) -> tuple[float, float]:
    shown = [mark.price for mark in marks if math.isfinite(mark.price) and mark.price > 0.0]
    shown += [value for line in lines for value in line.price.tolist() if math.isfinite(value)]
    low, high = min(float(bars.low.min()), *shown, math.inf), max(float(bars.high.max()), *shown, 0.0)
    margin = (high - low) * 0.07 or low * 0.001
    return low - margin, high + margin


def _name_at(bars: Bars, panel: _Panel, lines: int) -> float:
    """Where the name of the first line stands, the others below: in the left corner that the bars leave free."""
    begin = bars.close[: max(1, len(bars.close) // 3)]
    low = panel.y(float(begin.mean())) > (panel.top + panel.bottom) / 2.0
    return panel.top + 10.0 if low else panel.bottom - 6.0 - 10.0 * (lines - 1)


def _course(line: Line, panel: _Panel, name_at: float) -> str:
    """The line from point to point, broken at holes, and its name at that height."""
    points: list[tuple[float, float] | None] = [
        (panel.x(ts), panel.y(price)) if math.isfinite(price) else None
        for ts, price in zip(line.ts_ns.tolist(), line.price.tolist(), strict=True)
    ]
    steps = pairwise(points)
    parts = [svg.line(a, b, _COURSE, 1.1, line.dashes) for a, b in steps if a is not None and b is not None]
    y, left = name_at, panel.left
    parts.append(svg.line((left + 2.0, y - 3.0), (left + 16.0, y - 3.0), _COURSE, 1.1, line.dashes))
    return "".join([*parts, svg.text((left + 20.0, y), line.label, _COURSE, 8.5)])


def _volume_top(bars: Bars) -> float:
    known = bars.volume[np.isfinite(bars.volume)]
    return float(known.max(initial=0.0)) or 1.0


def _time_axis(prices: _Panel, volumes: _Panel, local: LocalTimes) -> str:
    span = prices.to_ns - prices.from_ns
    step = next((step for step in _TIME_STEPS if span / step <= 8), _TIME_STEPS[-1])
    pattern = "%Y-%m-%d" if step >= DAY_NS else "%H:%M" if step >= MINUTE_NS else "%H:%M:%S"
    offset = local.offset_ns(prices.from_ns)  # so that the grid falls on round local times
    first = -(-(prices.from_ns + offset) // step) * step - offset
    parts = []
    for ts_ns in range(first, prices.to_ns + 1, step):
        x = prices.x(ts_ns)
        parts.append(svg.line((x, prices.top), (x, prices.bottom), _GRID, 0.6))
        parts.append(svg.line((x, volumes.top), (x, volumes.bottom + 3.0), _GRID, 0.6))
        if prices.left + 8 <= x <= prices.right - 8:
            at = (x, volumes.bottom + 13.0)
            parts.append(svg.text(at, local.text(ts_ns, pattern), _INK, 9.5, anchor="middle"))
    middle = (prices.from_ns + prices.to_ns) // 2
    zone = f"{local.text(middle, '%Y-%m-%d')} ({local.name(middle)})"
    parts.append(svg.text((prices.right, volumes.bottom + 25.0), zone, _GREY, anchor="end"))
    return "".join(parts)


def _price_axis(panel: _Panel) -> str:
    step = nice_step(panel.high - panel.low, 6)
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    parts = []
    for k in range(math.ceil(panel.low / step), math.floor(panel.high / step) + 1):
        y = panel.y(k * step)
        parts.append(svg.line((panel.left, y), (panel.right, y), _GRID, 0.6))
        parts.append(svg.text((panel.right + 5.0, y + 3.2), f"{k * step:,.{decimals}f}", _INK, 9.5))
    parts.append(svg.line((panel.left, panel.bottom), (panel.right, panel.bottom), _GREY, 0.8))
    parts.append(svg.line((panel.right, panel.top), (panel.right, panel.bottom), _GREY, 0.8))
    return "".join(parts)


def _volume_bars(bars: Bars, panel: _Panel, interval: int) -> str:
    width = max(0.6, (panel.x(panel.from_ns + interval) - panel.left) * 0.62)
    parts = [svg.line((panel.left, panel.bottom), (panel.right, panel.bottom), _GREY, 0.8)]
    known = np.isfinite(bars.volume) & (bars.volume > 0.0)
    if not known.any():
        at = ((panel.left + panel.right) / 2, panel.bottom - 12)
        return "".join([*parts, svg.text(at, "volume unknown", _GREY, anchor="middle")])
    for ts_ns, volume in zip(bars.ts_ns[known].tolist(), bars.volume[known].tolist(), strict=True):
        x, y = panel.x(ts_ns + interval / 2), panel.y(volume)
        parts.append(svg.rect((x - width / 2, y), (width, panel.bottom - y), _VOLUME))
    parts.append(svg.text((panel.right + 5.0, panel.top + 6.0), _short(panel.high), _INK, 9.5))
    parts.append(svg.text((panel.right + 5.0, panel.bottom), "volume", _GREY))
    return "".join(parts)


def _short(value: float) -> str:
    for unit, letter in ((1e9, "bn"), (1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:.3g} {letter}"
    return f"{value:.3g}"


def _candles(bars: Bars, panel: _Panel, interval: int) -> str:
    width = max(0.8, (panel.x(panel.from_ns + interval) - panel.left) * 0.62)
    parts = []
    columns = (bars.ts_ns, bars.open, bars.high, bars.low, bars.close)
    for ts_ns, opened, high, low, close in zip(*(column.tolist() for column in columns), strict=True):
        x, falls = panel.x(ts_ns + interval / 2), close < opened
        top, bottom = panel.y(max(opened, close)), panel.y(min(opened, close))
        colour = _FALL if falls else _RISE
        parts.append(svg.line((x, panel.y(high)), (x, panel.y(low)), colour, 0.8))
        size = (width, max(bottom - top, 0.8))
        parts.append(svg.rect((x - width / 2, top), size, colour if falls else "#ffffff", stroke=colour))
    return "".join(parts)


def _badges(marks: Sequence[Marker], panel: _Panel, interval: int) -> list[_Badge]:
    """Give each marker the first lane where its label has room, or its number alone; the emptiest where nothing has."""
    badges: list[_Badge] = []
    ends = [-math.inf] * _LANES
    for mark in marks:
        x = min(panel.x(mark.ts_ns + interval / 2), panel.right - 8.0)
        half = (7.0 + _LETTER * len(str(mark.number))) / 2
        reach = half + 6.0 + _LETTER * len(mark.label)
        to_left = x + reach > panel.right
        begin, end = (x - reach, x + half) if to_left else (x - half, x + reach)
        lane = next((k for k, last in enumerate(ends) if begin > last and begin >= 0.0), None)
        room = lane is not None
        if lane is None:
            narrow = (k for k, last in enumerate(ends) if x - half > last)
            lane, end = next(narrow, min(range(_LANES), key=lambda k: ends[k])), x + half
        ends[lane] = max(ends[lane], end + 2.0)
        badges.append(_Badge(mark, x, 4.0 + lane * _LANE_HEIGHT, half, room, to_left))
    return badges


def _leader(badge: _Badge, bottom: float) -> str:
    return svg.line((badge.x, badge.y + 11.0), (badge.x, bottom), SEVERITY_COLOURS[badge.mark.severity], 0.7, "2.5 2.5")


def _triangle(badge: _Badge, panel: _Panel) -> str:
    mark = badge.mark
    if not (math.isfinite(mark.price) and mark.price > 0.0):
        return ""
    side = -1.0 if mark.direction == "rise" else 1.0  # above the price of a rise, below that of a drop
    return svg.triangle((badge.x, panel.y(mark.price) + 3.0 * side), 7.0 * side, SEVERITY_COLOURS[mark.severity])


def _badge(badge: _Badge) -> str:
    mark, colour, base = badge.mark, SEVERITY_COLOURS[badge.mark.severity], badge.y + 8.6
    box = svg.rect((badge.x - badge.half, badge.y), (2 * badge.half, 11.0), colour, radius=2.5)
    number = svg.text((badge.x, base), str(mark.number), "#ffffff", anchor="middle", weight="bold")
    if not badge.label:
        return box + number
    away, wide = badge.half + 3.0, _LETTER * len(mark.label) + 4.0
    if badge.to_left:
        paper = svg.rect((badge.x - away - wide + 2.0, badge.y), (wide, 11.0), "#ffffff")  # hides what passes behind
        return paper + box + number + svg.text((badge.x - away, base), mark.label, colour, anchor="end")
    paper = svg.rect((badge.x + away - 2.0, badge.y), (wide, 11.0), "#ffffff")
    return paper + box + number + svg.text((badge.x + away, base), mark.label, colour)
