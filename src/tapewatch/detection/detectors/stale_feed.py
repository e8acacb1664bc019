"""stale_feed: a symbol fell silent in its session, against its own cadence."""

import numpy as np

from tapewatch.alerts.codes import CLOSE, FIRE, NEVER_NS, NONE
from tapewatch.alerts.compiled import Row, compiled
from tapewatch.detection.detectors.base import Detector, Params
from tapewatch.detection.durations import Duration, duration_ns
from tapewatch.detection.instruments import in_halt
from tapewatch.detection.stats.scale import FIXED
from tapewatch.model.alerts import OPENS_AT, Alert


class StaleFeed(Params, frozen=True, forbid_unknown_fields=True):
    """No tick for `factor` times the symbol's usual distance between ticks, within [`at_least`, `at_most`].

    The timer runs only inside the phases in which the rule is active, and is dropped at their end: a closed market is
    not silent. The alert is dated to the deadline and resolves with the next tick. Source: heartbeat monitoring by
    inter-arrival time (e.g. FIX HeartBtInt with its margin). Cost: two additions a tick. It cannot tell a dead feed
    from a halt that nobody announced (announced ones stand in the instruments file).
    """

    factor: float = 10.0
    at_least: Duration = "2m"
    at_most: Duration = "1h"


STATE = np.dtype([("deadline_ns", "i8"), ("cadence_ns", "f8"), ("n", "i8")])
RECORD = np.dtype([("factor", "f8"), ("least_ns", "i8"), ("most_ns", "i8")])
ENOUGH = 20
WEIGHT = 0.05


def _pack(p: StaleFeed) -> dict[str, float | int]:
    return {"factor": p.factor, "least_ns": duration_ns(p.at_least), "most_ns": duration_ns(p.at_most)}


@compiled
def wait_ns(state: Row, params: Row) -> int:
    """How long a silence may last that is still usual."""
    wait: int = min(max(np.int64(params.factor * state.cadence_ns), params.least_ns), params.most_ns)
    return wait


@compiled
def step(state: Row, params: Row, head: Row, group: Row, tick: Row, signal: Row) -> int:
    if tick.dt_ns > 0 and not tick.fresh:
        state.n += 1
        state.cadence_ns += max(WEIGHT, 1.0 / state.n) * (tick.dt_ns - state.cadence_ns)
    state.deadline_ns = NEVER_NS
    if state.n >= ENOUGH:
        deadline_ns = tick.act_ns + wait_ns(state, params)
        if deadline_ns < head.phase_until_ns and not in_halt(group, tick.act_ns, deadline_ns):
            state.deadline_ns = deadline_ns
    return CLOSE


@compiled
def due(state: Row, params: Row, head: Row, deadline_ns: int, signal: Row) -> int:
    state.deadline_ns = NEVER_NS
    later_ns = head.last_ns + wait_ns(state, params)
    if later_ns > deadline_ns:  # a tick came that is held or cannot be: no step saw it, but the feed lives
        if later_ns < head.phase_until_ns:
            state.deadline_ns = later_ns
        return NONE
    silence = (deadline_ns - head.last_ns) / 1e9
    signal.direction = 0
    signal.score = OPENS_AT
    signal.rarity = 0.0
    signal.calibrated = 1
    signal.value = silence
    signal.threshold = silence
    signal.before = head.close
    signal.source = FIXED
    signal.detail[0] = silence
    signal.detail[1] = state.cadence_ns / 1e9
    return FIRE


def _sentence(alert: Alert) -> str:
    cadence = float(alert.details["usual_distance_s"] or 0.0)
    return f"has been silent for {alert.value:.0f} s in its session, where a tick every {cadence:.0f} s is usual"


DETECTOR = Detector(
    name="stale_feed",
    version=1,
    params=StaleFeed,
    state=STATE,
    record=RECORD,
    pack=_pack,
    step=step,
    due=due,
    statistic="silence_s",
    details=("silence_s", "usual_distance_s"),
    sentence=_sentence,
    category="data_quality",
    alert_type="stale_feed",
    defaults={"phases": "regular,continuous"},
)
