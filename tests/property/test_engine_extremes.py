"""Whatever numbers a feed lets in, what is found can be written down and read again."""

import math

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tapewatch.model.alerts import Alert
from tapewatch.model.numbers import LEAST, MOST
from tapewatch.model.signals import Signal
from tapewatch.model.times import MINUTE_NS
from tests.unit.detection.support import (
    COMPILED,
    REGULAR_NS,
    TSLA,
    Tick,
    bars,
    batch_of,
    beat,
    calm,
    engine_for,
    everything,
)

EXAMPLES = 60 if COMPILED else 2
HISTORY = 150 if COMPILED else 40
SIZES = st.one_of(st.floats(LEAST, MOST), st.sampled_from([LEAST, MOST, 0.0, 1e-9, 1e9]))
VALUES = st.tuples(SIZES, st.sampled_from([1.0, -1.0])).map(math.prod)


@settings(max_examples=EXAMPLES, deadline=None)
@given(odd=st.lists(st.tuples(VALUES, SIZES), min_size=1, max_size=6), gap=st.integers(1, 20))
@example(odd=[(MOST, MOST)], gap=1)
@example(odd=[(LEAST, MOST)] * 4, gap=1)
@example(odd=[(-MOST, MOST)] * 4, gap=1)
def test_prints_of_any_size_among_normal_ones_leave_numbers_that_json_holds(
    odd: list[tuple[float, float]], gap: int
) -> None:
    tape: list[Tick] = bars(TSLA, calm(HISTORY))
    for price, volume in odd:
        at_ns = tape[-1].at_ns + MINUTE_NS
        tape.append(Tick(at_ns, TSLA, price, volume))
        tape += bars(TSLA, calm(gap), at_ns + MINUTE_NS)
    tape.append(beat(tape[-1].act_ns + 10 * MINUTE_NS))
    assert tape[0].at_ns == REGULAR_NS
    outcome = engine_for(everything()).process(batch_of(tape))
    for alert in outcome.alerts("2025-04-08T00:00:00Z"):
        assert msgspec.json.decode(msgspec.json.encode(alert), type=Alert) == alert
    for signal in outcome.signals("2025-04-08T00:00:00Z"):
        assert msgspec.json.decode(msgspec.json.encode(signal), type=Signal) == signal
