"""From events (numbers) to signals and alerts (messages with a sentence that explains)."""

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from tapewatch.alerts.codes import CHANGES, REASONS, RECOVERING, RESOLVED, RETRACTED, SIGNAL
from tapewatch.detection.calendars import venue_info
from tapewatch.detection.instruments import Facts
from tapewatch.detection.markets import money_of
from tapewatch.detection.narrate_signals import DIRECTIONS, details_of, percent, rows_of, signals_of
from tapewatch.detection.rules import CompiledRule, RuleSet
from tapewatch.detection.stats.scale import SOURCES
from tapewatch.model import ids
from tapewatch.model.alerts import Alert, Health, State, severity_of
from tapewatch.model.instruments import Instrument
from tapewatch.model.market import NO_MARKET
from tapewatch.model.signals import Signal
from tapewatch.model.times import format_local, format_rfc3339

PHASES = ("closed", "pre", "regular", "post", "continuous")


def _known(value: float) -> float | None:
    return value if np.isfinite(value) and value > 0.0 else None


class Narrator:
    """Writes messages for one rule set; `instruments` is the engine's list, by slot, `facts` what is known of them."""

    def __init__(self, rules: RuleSet, instruments: list[Instrument], facts: Mapping[str, Facts]) -> None:
        self._rules = rules.rules
        self._instruments = instruments
        self._facts = facts

    def signals(self, events: Any, detected: str | None) -> list[Signal]:
        """The signals among the events, in order."""
        return signals_of(rows_of(events, events["fired"] == 1), self._rules, self._instruments, detected)

    def alerts(self, events: Any, detected: str | None) -> list[Alert]:
        """The alert revisions among the events, in order."""
        return [self._alert(e, detected) for e in rows_of(events, events["kind"] != SIGNAL)]

    def _alert_id(self, rule: CompiledRule, at: Instrument, direction: str, ep: Any) -> str:
        onset, k = int(ep["onset_ns"]), int(ep["onset_k"])
        return ids.alert_id(at.venue, at.symbol, rule.name, rule.version, direction, onset, k)

    def _alert(self, e: Any, detected: str | None) -> Alert:
        rule, at = self._rules[int(e["rule"])], self._instruments[int(e["slot"])]
        detector, ep = rule.detector, e["episode"]
        direction = DIRECTIONS[int(e["direction"])]
        ts, onset, before = int(e["event_ns"]), int(ep["onset_ns"]), float(ep["before"])
        price, extreme = float(e["price"]), float(ep["extreme"])
        volume, normal = _known(float(e["volume"])), _known(float(e["normal_volume"]))
        value, threshold, rarity = float(ep["value"]), float(ep["threshold"]), float(ep["rarity"])
        category = "data_quality" if detector.category == "data_quality" else "price"
        kind, score = int(e["kind"]), float(ep["score"])
        alert = Alert(
            alert_id=self._alert_id(rule, at, direction, ep),
            revision=int(ep["revision"]),
            incident_id=ids.incident_id(at.venue, at.symbol, category, int(ep["incident_ns"]), int(ep["incident_k"])),
            rule=rule.name,
            rule_version=rule.version,
            detector=detector.name,
            category=detector.category,
            venue=at.venue,
            symbol=at.symbol,
            currency=money_of(at, self._facts.get(str(at))),
            direction=direction,
            alert_type=detector.alert_type or direction,
            state=_state(kind, int(ep["state"])),
            change=CHANGES[e["kind"]],
            reason=REASONS[e["reason"]],
            severity=severity_of(score),
            score=round(score, 2),
            rarity_days=round(rarity, 2) if rarity > 0.0 else None,
            calibrated=bool(ep["calibrated"]) if rarity > 0.0 else True,
            timestamp=format_rfc3339(ts),
            ts_event_ns=ts,
            onset=format_rfc3339(onset),
            onset_ns=onset,
            onset_k=int(ep["onset_k"]),
            price=price,
            price_before=before,
            price_extreme=extreme,
            change_pct=percent(price, before),
            peak_change_pct=percent(extreme, before),
            volume=volume,
            notional=price * volume if volume is not None else None,
            notional_ratio=volume / normal if volume is not None and normal is not None else None,
            phase=PHASES[int(e["phase"])],
            local_time=format_local(ts, venue_info(at.venue).zone),
            statistic=detector.statistic,
            value=value,
            threshold=threshold,
            margin=abs(value / threshold) if threshold else 0.0,
            signals=int(ep["signals"]),
            market=NO_MARKET,
            message="",
            details=details_of(rule.detector, ep["detail"].tolist(), int(ep["source"])),
            health=Health(
                bars=int(e["bars"]),
                phase_bars=int(e["phase_bars"]),
                source=SOURCES[int(ep["source"])],
                holes=int(e["holes"]),
            ),
            last_ticks=[
                (format_rfc3339(int(t)), float(c))
                for t, c in zip(e["ticks_ns"][: e["ticks_n"]], e["ticks_close"][: e["ticks_n"]], strict=True)
            ],
            offset=int(e["offset"]),
            timestamp_detection=detected,
        )
        return msgspec.structs.replace(alert, message=_message(alert, rule, float(ep["price"]), float(ep["origin"])))


def _state(kind: int, state: int) -> State:
    if kind == RETRACTED:
        return "retracted"
    if kind == RESOLVED:
        return "resolved"
    return "recovering" if state == RECOVERING else "firing"


def _rarity(alert: Alert) -> str:
    if alert.rarity_days is None:
        return ""
    days = alert.rarity_days
    often = f"once in {days:,.0f} days" if days < 10_000 else "less than once in 10,000 days"
    how = "" if alert.calibrated else ", by an uncalibrated default"
    return f"; so much happens {often} for such a symbol at this time of day{how}"


def _message(alert: Alert, rule: CompiledRule, price: float, origin: float) -> str:
    """One sentence: what happened against what was expected, how rare, whether the market moved with it, how it went
    on.

    `price` is that of the strongest signal and `origin` what it is measured from: the numbers of the sentence are its.
    """
    strongest = msgspec.structs.replace(alert, price=price, price_before=origin, change_pct=percent(price, origin))
    text = f"{alert.symbol} on {alert.venue} {rule.detector.sentence(strongest)}{_rarity(alert)}"
    if alert.category != "data_quality":
        text += f"; {alert.market}"
    return f"{text}{_course(alert)}."


def _course(alert: Alert) -> str:
    """How the episode went on since its first signal."""
    if alert.change == "fired":
        return ""
    if alert.direction == "none":
        words = {"worsened": "worse", "resolved": "over", "recovering": "quiet since", "retracted": "withdrawn"}
        return f"; {words.get(alert.change, 'again')}" + (f" ({alert.reason})" if alert.reason else "")
    now = f"now {alert.change_pct:+.2f} %, at its worst {alert.peak_change_pct:+.2f} %"
    if alert.change == "retracted":
        return f"; withdrawn, as 80 % came back at once without volume behind it ({now})"
    words = {"worsened": "it worsened", "recovering": "it has calmed", "refired": "it goes on again"}
    return f"; {words.get(alert.change, f'resolved as {alert.reason}')} ({now})"
