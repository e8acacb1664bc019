"""stale_feed: a symbol fell silent in its session, against its own cadence."""

import numpy as np

from tapewatch.alerts.codes import CLOSE, FIRE, NEVER_NS, NONE
from tapewatch.alerts.compiled import Row, compiled
from tapewatch.detection.detectors.base import Detector, Params
from tapewatch.detection.durations import Duration, duration_ns
from tapewatch.detection.instruments import in_halt
from tapewatch.detection.stats.scale import FIXED
from tapewatch.model.alerts import OPENS_AT, Alert
from tapewatch.model.times import HOUR_NS


class StaleFeed(Params, frozen=True, forbid_unknown_fields=True):
    """No tick for `longest` times the longest distance between ticks of the last days, within [`at_least`, `at_most`].

    A feed as regular as a clock is missed after its second tick that does not come; one that pauses now and then has
    the patience that its pauses ask for. Until a symbol is known that well, `factor` times its usual distance is waited
    for where that is longer. A silence that was told counts among the distances only as far as it was usual.

    The timer runs only inside the phases in which the rule is active, and is dropped at their end: a closed market is
    not silent. The alert is dated to the deadline and resolves with the next tick. Source: heartbeat monitoring by
    inter-arrival time (e.g. FIX HeartBtInt with its margin). Cost: a dozen operations a tick. It cannot tell a dead
    feed from a halt that nobody announced (announced ones stand in the instruments file).
    """

    factor: float = 10.0
    longest: float = 2.0
    at_least: Duration = "2m"
    at_most: Duration = "1h"


STATE = np.dtype([("deadline_ns", "i8"), ("cadence_ns", "f8"), ("longest_ns", "f8"), ("seen_ns", "i8"), ("n", "i8")])
RECORD = np.dtype([("factor", "f8"), ("longest", "f8"), ("least_ns", "i8"), ("most_ns", "i8")])
ENOUGH = 20
KNOWN, KNOWN_NS = 200, 3 * HOUR_NS
"""So many distances over so much time, before the longest of them says alone what is usual: ticks come in bursts, and
the next distance exceeds all of n once in n, twice the longest far less often."""
WEIGHT = 0.05
FADES_NS = 48.0 * HOUR_NS
"""The longest distance fades to 1/e within as much time with ticks: two days of a coin, seven sessions of a stock."""


def _pack(p: StaleFeed) -> dict[str, float | int]:
    return {
        "factor": p.factor,
        "longest": p.longest,
        "least_ns": duration_ns(p.at_least),
        "most_ns": duration_ns(p.at_most),
    }


@compiled
def wait_ns(state: Row, params: Row) -> int:
    """How long a silence may last that is still usual: for bars of four hours beyond `at_most`."""
    usual_ns = params.longest * state.longest_ns
    if state.n < KNOWN or state.seen_ns < KNOWN_NS:
        usual_ns = max(usual_ns, params.factor * state.cadence_ns)
    bounded_ns = min(max(np.int64(usual_ns), params.least_ns), params.most_ns)
    wait: int = max(bounded_ns, np.int64(state.longest_ns))
    return wait


@compiled
def step(state: Row, params: Row, head: Row, group: Row, tick: Row, signal: Row) -> int:
    if tick.dt_ns > 0 and not tick.fresh and tick.act_ns - tick.dt_ns >= head.phase_from_ns:  # of this session
        usual_ns = tick.dt_ns if state.n < ENOUGH else min(tick.dt_ns, wait_ns(state, params))
        state.longest_ns = max(usual_ns, state.longest_ns * (1.0 - min(usual_ns / FADES_NS, 1.0)))
        state.seen_ns += usual_ns
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
    signal.detail[2] = state.longest_ns / 1e9
    return FIRE


def _sentence(alert: Alert) -> str:
    cadence, longest = (float(alert.details[name] or 0.0) for name in ("usual_distance_s", "longest_distance_s"))
    usual = f"a tick every {cadence:.0f} s is usual and {longest:.0f} s the longest wait of late"
    return f"has been silent for {alert.value:.0f} s in its session, where {usual}"


DETECTOR = Detector(
    name="stale_feed",
    version=2,
    params=StaleFeed,
    state=STATE,
    record=RECORD,
    pack=_pack,
    step=step,
    due=due,
    statistic="silence_s",
    details=("silence_s", "usual_distance_s", "longest_distance_s"),
    sentence=_sentence,
    category="data_quality",
    alert_type="stale_feed",
    defaults={"phases": "regular,continuous"},
)
