"""Realistic values for tests: alerts, signals, incidents, cases and bars, consistent unless told otherwise.

Every function takes overrides by field name; what can be derived (ids, RFC 3339 texts, percentages, severity) is
derived from the overrides, so that `make_alert(price=90.0)` has the change that a price of 90 means.
"""

from random import Random
from typing import Any

import msgspec
import numpy as np

from tapewatch.detection.markets import market_of
from tapewatch.model import ids
from tapewatch.model.alerts import Alert, Case, Category, Health, Incident, State, severity_of
from tapewatch.model.bars import Bars
from tapewatch.model.market import Group, Member
from tapewatch.model.signals import Direction, Signal
from tapewatch.model.times import DAY_NS, MINUTE_NS, format_local, format_rfc3339, parse_rfc3339

ONSET_NS = parse_rfc3339("2025-04-07T14:10:00Z")
RULE_VERSION = "3f2a9c0b71de"
_ZONES = {"XNAS": "America/New_York", "binance": "UTC"}
_DIRECTIONS: tuple[Direction, ...] = ("drop", "rise")
_STATES: tuple[State, ...] = ("resolved", "resolved", "resolved", "firing", "recovering", "retracted")
_MARKET = (
    ("XNAS", "TSLA", 240.0, "USD"),
    ("XNAS", "AAPL", 182.0, "USD"),
    ("XNAS", "NFLX", 870.0, "USD"),
    ("binance", "BTC/USDT", 97_450.0, "USDT"),
    ("binance", "ETH/USDT", 2_710.0, "USDT"),
    ("binance", "FIL/USDT", 4.312, "USDT"),
    ("binance", "PEPE/USDT", 0.00001234, "USDT"),
)
_RULES: tuple[tuple[str, Category, str], ...] = (
    ("price_move", "price", "log_return"),
    ("robust_return", "price", "robust_z"),
    ("volume_spike", "volume", "volume_ratio"),
    ("stale_feed", "data_quality", "silence_s"),
    ("bad_print", "data_quality", "price_ratio"),
)


def make_alert(**overrides: Any) -> Alert:
    """One alert: a 5.2 % drop of TSLA on XNAS at 10:10 New York time, unless overridden."""
    known = {field.name for field in msgspec.structs.fields(Alert)}
    unknown = set(overrides) - known
    if unknown:
        raise TypeError(f"an alert has no {sorted(unknown)}")
    get = overrides.get
    venue, symbol, rule = get("venue", "XNAS"), get("symbol", "TSLA"), get("rule", "price_move")
    version, direction = get("rule_version", RULE_VERSION), get("direction", "drop")
    onset_ns, onset_k = get("onset_ns", ONSET_NS), get("onset_k", 0)
    ts_ns = get("ts_event_ns", onset_ns)
    category, score = get("category", "price"), get("score", 82.4)
    before = get("price_before", 240.0)
    price = get("price", before * (1.0 - 0.052 if direction == "drop" else 1.0 + 0.052))
    extreme = get("price_extreme", price)
    change_pct = get("change_pct", (price / before - 1.0) * 100.0)
    alert_type = get("alert_type", direction if direction != "none" else rule)
    value, threshold = get("value", abs(change_pct)), get("threshold", 3.0)
    local_time = format_local(ts_ns, _ZONES.get(venue, "UTC"))
    fields: dict[str, Any] = {
        "alert_id": ids.alert_id(venue, symbol, rule, version, direction, onset_ns, onset_k),
        "revision": 1,
        "incident_id": ids.incident_id(venue, symbol, category, onset_ns, onset_k),
        "rule": rule,
        "rule_version": version,
        "detector": rule,
        "category": category,
        "venue": venue,
        "symbol": symbol,
        "currency": "USD",
        "direction": direction,
        "alert_type": alert_type,
        "state": "firing",
        "change": "fired",
        "reason": None,
        "severity": severity_of(score),
        "score": score,
        "rarity_days": round(10.0 ** ((score - 35.0) / 20.0), 1),
        "calibrated": True,
        "timestamp": format_rfc3339(ts_ns),
        "ts_event_ns": ts_ns,
        "onset": format_rfc3339(onset_ns),
        "onset_ns": onset_ns,
        "onset_k": onset_k,
        "price": price,
        "price_before": before,
        "price_extreme": extreme,
        "change_pct": change_pct,
        "peak_change_pct": (extreme / before - 1.0) * 100.0,
        "volume": 184_300.0,
        "notional": 184_300.0 * price,
        "notional_ratio": 6.3,
        "phase": "regular",
        "local_time": local_time,
        "statistic": "abs_change_pct",
        "value": value,
        "threshold": threshold,
        "margin": value / threshold if threshold else 0.0,
        "signals": 1,
        "market": "no market reference",
        "message": (
            f"{symbol} {alert_type} {change_pct:+.2f} % within 1 minute at {local_time}, against at most "
            f"{threshold:g} % expected; so much is seen about once in 200 days of this symbol; no market reference."
        ),
        "details": {"window": 20, "mean": before, "std_dev": round(before * 0.004, 6), "z_score": -4.1},
        "health": Health(bars=1_842, phase_bars=412, source="own_phase", holes=0),
        "last_ticks": [(format_rfc3339(ts_ns - k * MINUTE_NS), before) for k in (3, 2, 1)],
        "offset": 12_345,
    }
    return Alert(**(fields | overrides))


def make_signal(**overrides: Any) -> Signal:
    """One confirmed signal of `price_move` on TSLA, unless overridden."""
    get = overrides.get
    venue, symbol, rule = get("venue", "XNAS"), get("symbol", "TSLA"), get("rule", "price_move")
    version, direction = get("rule_version", RULE_VERSION), get("direction", "drop")
    ts_ns, k = get("ts_event_ns", ONSET_NS), get("k", 0)
    fields: dict[str, Any] = {
        "signal_id": ids.signal_id(venue, symbol, rule, version, direction, ts_ns, k),
        "alert_id": ids.alert_id(venue, symbol, rule, version, direction, ts_ns, k),
        "rule": rule,
        "rule_version": version,
        "detector": rule,
        "venue": venue,
        "symbol": symbol,
        "direction": direction,
        "timestamp": format_rfc3339(ts_ns),
        "ts_event_ns": ts_ns,
        "k": k,
        "provisional": False,
        "price": 227.52,
        "score": 82.4,
        "statistic": "abs_change_pct",
        "value": 5.2,
        "threshold": 3.0,
        "change_pct": -5.2,
        "details": {"window": 1},
        "offset": 12_345,
    }
    return Signal(**(fields | overrides))


def make_incident(**overrides: Any) -> Incident:
    """An open incident of one alert, `make_alert()`, unless overridden."""
    alert = make_alert()
    onset_ns = overrides.get("onset_ns", alert.onset_ns)
    score = overrides.get("score", alert.score)
    fields: dict[str, Any] = {
        "incident_id": alert.incident_id,
        "category": alert.category,
        "venue": alert.venue,
        "symbol": alert.symbol,
        "state": "open",
        "severity": severity_of(score),
        "score": score,
        "onset": format_rfc3339(onset_ns),
        "onset_ns": onset_ns,
        "updated_ns": onset_ns,
        "direction": alert.direction,
        "peak_change_pct": alert.peak_change_pct,
        "message": alert.message,
        "alerts": [alert.alert_id],
        "open_alerts": 1,
    }
    return Incident(**(fields | overrides))


def make_case(**overrides: Any) -> Case:
    """A closed case of `make_alert()`: taken as news by one person, unless overridden."""
    fields: dict[str, Any] = {
        "alert_id": make_alert().alert_id,
        "version": 2,
        "status": "closed",
        "assignee": "m.rossi",
        "acknowledged_by": "m.rossi",
        "acknowledged_at_ns": ONSET_NS + 4 * MINUTE_NS,
        "disposition": "news",
        "closed_by": "m.rossi",
        "closed_at_ns": ONSET_NS + 35 * MINUTE_NS,
    }
    return Case(**(fields | overrides))


def make_alerts(n: int, *, seed: int = 7, from_ns: int = ONSET_NS, days: float = 5.0) -> list[Alert]:
    """n different alerts of seven symbols and five rules over `days`, in the order (onset_ns, alert_id)."""
    random = Random(seed)
    alerts = [_random_alert(random, from_ns, days, k) for k in range(n)]
    return sorted(alerts, key=lambda alert: (alert.onset_ns, alert.alert_id))


def _random_alert(random: Random, from_ns: int, days: float, k: int) -> Alert:
    venue, symbol, price, currency = random.choices(_MARKET, weights=(9, 4, 2, 5, 3, 6, 1))[0]
    rule, category, statistic = random.choices(_RULES, weights=(8, 9, 3, 1, 2))[0]
    onset_ns = from_ns + int(random.random() * days * DAY_NS) // MINUTE_NS * MINUTE_NS
    direction: Direction = "none" if rule == "stale_feed" else random.choice(_DIRECTIONS)
    score = min(100.0, round(61.0 + random.expovariate(0.1), 1))
    size = 0.0 if rule == "stale_feed" else 0.8 + (score - 60.0) * random.uniform(0.05, 0.3)
    sign = -1.0 if direction == "drop" else 1.0
    extreme = price * (1.0 + sign * size / 100.0)
    now = price * (1.0 + sign * size * random.uniform(0.3, 1.0) / 100.0)
    state = random.choice(_STATES)
    change = {"firing": random.choice(("fired", "worsened")), "recovering": "recovering"}.get(state, state)
    return make_alert(
        venue=venue,
        symbol=symbol,
        currency=currency,
        rule=rule,
        category=category,
        statistic=statistic,
        direction=direction,
        score=score,
        severity=severity_of(score),
        onset_ns=onset_ns,
        onset_k=k,
        ts_event_ns=onset_ns + random.randrange(12) * MINUTE_NS,
        price_before=price,
        price=now,
        price_extreme=extreme,
        state=state,
        change=change,
        reason={"resolved": random.choice(("reverted", "new_level")), "retracted": "bad_print"}.get(state),
        revision=random.randrange(1, 5),
        calibrated=random.random() < 0.7,
        phase="continuous" if venue == "binance" else random.choice(("pre", "regular", "regular", "post")),
    )


def make_group(k: int = 0, venue: str = "XNAS", symbol: str = "TSLA") -> Group:
    """The k-th fall of a market, with one member."""
    opened_ns, market = ONSET_NS + k * MINUTE_NS, market_of(venue, symbol)
    return Group(
        group_id=f"g{k}",
        revision=1,
        market=market,
        state="closed",
        direction="drop",
        from_ns=opened_ns - MINUTE_NS,
        opened_ns=opened_ns,
        last_ns=opened_ns,
        until_ns=opened_ns + 30 * MINUTE_NS,
        active=4,
        past=3,
        move_pct=-4.25,
        members=[Member(venue, symbol, "drop", opened_ns, -5.5)],
        message=f"{market} fell as a whole.",
    )


def make_bars(
    n: int = 61,
    *,
    start_ns: int = ONSET_NS - 30 * MINUTE_NS,
    price: float = 240.0,
    shock_pct: float = -5.2,
    seed: int = 3,
) -> Bars:
    """n one-minute bars, a random walk with a shock of `shock_pct` in the middle and the volume that goes with it."""
    random = np.random.default_rng(seed)
    returns = random.standard_t(4, n) * 0.0006
    returns[n // 2] += shock_pct / 100.0
    close = price * np.exp(np.cumsum(returns))
    opened = np.concatenate(([price], close[:-1]))
    wick = np.abs(random.standard_t(4, (2, n))) * 0.0004
    volume = random.lognormal(10.0, 0.5, n) * (1.0 + 400.0 * np.abs(returns))
    ts_ns = start_ns + np.arange(n, dtype=np.int64) * MINUTE_NS
    high, low = np.maximum(opened, close) * (1.0 + wick[0]), np.minimum(opened, close) * (1.0 - wick[1])
    return Bars(ts_ns=ts_ns, open=opened, high=high, low=low, close=close, volume=np.round(volume))
