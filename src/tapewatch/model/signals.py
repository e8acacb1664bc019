"""A signal: one tick on which a rule fired, with the numbers that explain it."""

from typing import Literal

import msgspec

Direction = Literal["rise", "drop", "none"]
Detail = float | int | str | bool | None


Outcome = Literal["confirmed", "withdrawn"]


class Signal(msgspec.Struct, frozen=True, kw_only=True):
    """What topic `alerts` and index `signals-*` carry. One that changes no alert is written once a minute, not at every
    tick on which the rule still holds.

    A `provisional` one is of a bar that is not over, or that is held back until the next ones tell. When that bar is
    judged, exactly one other signal names it in `settles`: the final one that confirms it, or one that withdraws it,
    which has no numbers. Neither a provisional nor a withdrawing one belongs to an alert.
    """

    signal_id: str
    alert_id: str | None  # the episode that it opened or was absorbed by; None while provisional or for evidence only
    rule: str
    rule_version: str
    detector: str
    venue: str
    symbol: str
    direction: Direction
    timestamp: str  # RFC 3339, event time
    ts_event_ns: int
    k: int
    provisional: bool
    price: float
    score: float
    statistic: str  # what `value` and `threshold` measure
    value: float
    threshold: float
    change_pct: float | None
    details: dict[str, Detail]
    offset: int  # provenance: where in the tape
    settles: str | None = None  # signal_id of the provisional one that this confirms or withdraws
    outcome: Outcome | None = None  # which of both
    timestamp_detection: str | None = None  # stamped at commit
