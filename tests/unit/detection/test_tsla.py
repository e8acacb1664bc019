"""The real TSLA bars of April 2025: the prototype's alerts exactly, and what the default rules must find in them."""

import csv
import math
from collections import defaultdict
from datetime import datetime
from functools import cache
from zoneinfo import ZoneInfo

import pytest

from tapewatch.model.alerts import Alert
from tapewatch.model.times import MINUTE_NS, datetime_to_ns
from tests.unit.detection.support import COMPILED, DATA, NO_DATA, TSLA, Run, Tick, batch_of, engine_for, feed, preset

FILE = DATA / "bars" / "TSLA_1min_sample.csv"
NEW_YORK = ZoneInfo("America/New_York")
pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.skipif(not FILE.is_file(), reason=NO_DATA),
    pytest.mark.skipif(not COMPILED, reason="ten thousand bars in plain Python take minutes"),
]


def at(text: str) -> int:
    return datetime_to_ns(datetime.fromisoformat(text).replace(tzinfo=NEW_YORK))


@cache
def rows() -> tuple[Tick, ...]:
    """The bars in file order, read without tapewatch's own reader."""
    with FILE.open() as file:
        read = [{k.strip(): v.strip() for k, v in row.items()} for row in csv.DictReader(file)]
    return tuple(
        Tick(
            at(r["timestamp"]),
            TSLA,
            float(r["close"]),
            float(r["volume"]),
            open=float(r["open"]),
            high=float(r["high"]),
            low=float(r["low"]),
        )
        for r in read
    )


@cache
def judged(name: str) -> Run:
    return feed(engine_for(preset(name)), batch_of(rows()))


def zscore_oracle() -> list[tuple[int, str]]:
    closes = [t.close for t in rows()]
    found = []
    for i, tick in enumerate(rows()):
        window = closes[max(0, i - 9) : i + 1]
        mean = math.fsum(window) / len(window)
        deviation = math.sqrt(math.fsum((c - mean) ** 2 for c in window) / len(window))
        if deviation > 0.0 and abs(tick.close - mean) > 2.5 * deviation:
            found.append((tick.at_ns, "rise" if tick.close > mean else "drop"))
    return found


def sma_oracle() -> list[tuple[int, str]]:
    closes = [t.close for t in rows()]
    found = []
    for i in range(19, len(closes)):
        mean = math.fsum(closes[i - 19 : i + 1]) / 20
        if abs(closes[i] - mean) > 0.05 * mean:
            found.append((rows()[i].at_ns, "rise" if closes[i] > mean else "drop"))
    return found


def test_the_prototype_preset_gives_the_122_z_score_alerts_of_the_plain_python_oracle() -> None:
    expected = zscore_oracle()
    assert len(expected) == 122
    assert [d for _, d in expected].count("rise") == 61
    assert [(a.ts_event_ns, a.direction) for a in judged("prototype").of("zscore")] == expected
    assert [(s.ts_event_ns, s.direction) for s in judged("prototype").fired("zscore")] == expected


def test_the_prototype_preset_gives_the_12_sma_rises_of_the_plain_python_oracle() -> None:
    expected = sma_oracle()
    assert len(expected) == 12
    assert {d for _, d in expected} == {"rise"}
    assert expected[0][0] == at("2025-04-07T10:12")
    assert [(a.ts_event_ns, a.direction) for a in judged("prototype").of("sma")] == expected


def test_every_prototype_signal_is_an_alert_of_its_own() -> None:
    found = judged("prototype")
    assert len({a.alert_id for a in found.alerts}) == len(found.alerts) == len(found.signals) == 134
    assert {(a.revision, a.change) for a in found.alerts} == {(1, "fired")}


@pytest.mark.parametrize(
    ("moment", "direction"),
    [("2025-04-07T10:10", "rise"), ("2025-04-07T10:18", "drop"), ("2025-04-09T13:19", "rise")],
)
def test_the_default_rules_find_the_known_moves_within_one_bar(moment: str, direction: str) -> None:
    near = [
        a
        for a in judged("default").alerts
        if a.category != "data_quality"
        and a.change in ("fired", "worsened")
        and a.direction == direction
        and abs(a.ts_event_ns - at(moment)) <= MINUTE_NS
    ]
    assert near


def test_the_default_rules_open_at_most_two_other_price_incidents_a_day() -> None:
    known = [at(m) for m in ("2025-04-07T10:10", "2025-04-07T10:18", "2025-04-09T13:19")]
    incidents: dict[str, list[Alert]] = defaultdict(list)
    for alert in judged("default").alerts:
        if alert.category != "data_quality":
            incidents[alert.incident_id].append(alert)
    others = [a for a in incidents.values() if not any(abs(r.ts_event_ns - k) <= MINUTE_NS for r in a for k in known)]
    days = {datetime.fromtimestamp(t.at_ns // 10**9, NEW_YORK).date() for t in rows()}
    assert len(days) == 10
    assert len(others) <= 2 * len(days)


@pytest.mark.parametrize("moment", ["2025-04-07T08:03", "2025-04-08T08:00", "2025-04-09T08:02", "2025-04-21T08:00"])
def test_a_known_bad_print_is_a_data_quality_alert_and_no_price_alert(moment: str) -> None:
    near = [
        a for a in judged("default").alerts if abs(a.onset_ns - at(moment)) <= 3 * MINUTE_NS and a.change == "fired"
    ]
    assert [(a.category, a.alert_type, a.onset_ns) for a in near] == [("data_quality", "bad_print", at(moment))]
