"""Found against planted, on cases made by hand."""

import math
from typing import Any

import pytest
from msgspec.structs import replace

from tapewatch.alerts.intervals import clopper_pearson
from tapewatch.alerts.labels import Label
from tapewatch.alerts.scorecard import ClassScore, Matching, Rate, Scorecard, score
from tapewatch.model.alerts import Alert, Health
from tapewatch.model.times import HOUR_NS, MINUTE_NS, SECOND_NS

NOON = 1_744_034_400_000_000_000


def label(kind: str = "drop", minute: int = 0, **change: Any) -> Label:
    base = Label(
        event=1,
        kind=kind,
        is_trap=False,
        venue="XNAS",
        symbol="A",
        onset_ns=NOON + minute * MINUTE_NS,
        end_ns=NOON + minute * MINUTE_NS,
        direction="drop",
        size=0.05,
        size_times=1.5,
    )
    return replace(base, **change)


def alert(minute: float = 0, incident: str = "i1", **change: Any) -> Alert:
    base = Alert(
        alert_id=f"a-{incident}",
        revision=1,
        incident_id=incident,
        rule="r",
        rule_version="v",
        detector="d",
        category="price",
        venue="XNAS",
        symbol="A",
        currency="USD",
        direction="drop",
        alert_type="drop",
        state="firing",
        change="fired",
        reason=None,
        severity="high",
        score=80.0,
        rarity_days=None,
        calibrated=False,
        timestamp="",
        ts_event_ns=NOON + int(minute * MINUTE_NS),
        onset="",
        onset_ns=NOON + int(minute * MINUTE_NS),
        onset_k=0,
        price=95.0,
        price_before=100.0,
        price_extreme=95.0,
        change_pct=-5.0,
        peak_change_pct=-5.0,
        volume=None,
        notional=None,
        notional_ratio=None,
        phase="regular",
        local_time="",
        statistic="s",
        value=1.0,
        threshold=1.0,
        margin=1.0,
        signals=1,
        market="",
        message="",
        details={},
        health=Health(bars=0, phase_bars=0, source="fixed", holes=0),
        last_ticks=[],
        offset=0,
    )
    return replace(base, **change)


def price_of(card: Scorecard) -> tuple[int, int, int, int]:
    family = card.families[0]
    assert family.family == "price"
    true = family.precision.successes
    return true, family.precision.trials - true, family.neutral, family.retracted


def test_an_alert_at_the_onset_finds_the_event() -> None:
    card = score([label()], [alert()])
    assert card.recall == Rate(1, 1)
    assert card.precision == Rate(1, 1)
    assert card.classes[0].kind == "drop"
    assert card.classes[0].delays_s == (0.0,)
    assert card.missed == ()


@pytest.mark.parametrize(("minute", "found"), [(-1.01, 0), (-1, 1), (1, 1), (1.01, 0)])
def test_it_must_come_within_the_tolerance(minute: float, found: int) -> None:
    card = score([label()], [alert(minute)])
    assert card.recall == Rate(found, 1)
    assert price_of(card) == (found, 1 - found, 0, 0)
    assert len(card.missed) == 1 - found
    if found:
        assert card.classes[0].median_delay_s == minute * 60


def test_the_tolerance_can_be_another() -> None:
    assert score([label()], [alert(4)], Matching(tolerance_ns=5 * MINUTE_NS)).recall == Rate(1, 1)


def test_what_a_timer_opens_counts_as_told_with_the_bar_that_its_time_ends() -> None:
    by_bar, silence = Matching(bar_ns=MINUTE_NS), label(end_ns=NOON + 30 * MINUTE_NS)
    assert score([silence], [alert(2, onset_k=-1)], by_bar).classes == (ClassScore("drop", Rate(1, 1), (60.0,)),)
    assert score([silence], [alert(2, onset_k=-1)]).recall == Rate(0, 1)
    assert score([silence], [alert(2)], by_bar).recall == Rate(0, 1)
    assert score([silence], [alert(2.01, onset_k=-1)], by_bar).recall == Rate(0, 1)


def test_an_event_of_several_bars_is_found_around_its_onset_and_told_late_until_its_end() -> None:
    long = label(end_ns=NOON + 30 * MINUTE_NS)
    assert score([long], [alert(1)]).classes == (ClassScore("drop", Rate(1, 1), (60.0,)),)
    for minute, late in ((2, 1), (31, 1), (32, 0)):
        card = score([long], [alert(minute)])
        assert card.classes == (ClassScore("drop", Rate(0, 1), (), late),)
        assert card.missed == (long,)
        assert price_of(card) == (late, 1 - late, 0, 0)


def test_a_kind_that_is_whole_only_at_its_end_is_found_until_then_when_asked_for() -> None:
    crash = label("flash_crash", end_ns=NOON + 7 * MINUTE_NS)
    until_end = Matching(until_end=frozenset({"flash_crash"}))
    assert score([crash], [alert(8)], until_end).recall == Rate(1, 1)
    assert score([crash], [alert(9)], until_end).recall == Rate(0, 1)
    assert score([crash], [alert(8)]).recall == Rate(0, 1)


@pytest.mark.parametrize(("direction", "found"), [("drop", 1), ("none", 1), ("rise", 0)])
def test_the_direction_must_be_the_labels(direction: str, found: int) -> None:
    card = score([label()], [alert(direction=direction)])
    assert card.recall == Rate(found, 1)
    assert card.precision == Rate(found, 1)


def test_the_way_back_of_a_long_event_finds_nothing_and_is_not_false() -> None:
    crash = label("flash_crash", end_ns=NOON + 7 * MINUTE_NS)
    card = score([crash], [alert(5, direction="rise")])
    assert card.recall == Rate(0, 1)
    assert price_of(card) == (1, 0, 0, 0)


def test_an_alert_that_was_open_before_finds_the_event_by_worsening() -> None:
    revisions = [alert(-30), alert(0, revision=2, change="worsened")]
    card = score([label()], revisions)
    assert card.recall == Rate(1, 1)
    assert price_of(card) == (1, 0, 0, 0)


@pytest.mark.parametrize("change", ["recovering", "resolved"])
def test_other_changes_find_nothing(change: str) -> None:
    card = score([label()], [alert(-30), alert(0, revision=2, change=change, state=change)])
    assert card.recall == Rate(0, 1)
    assert price_of(card) == (0, 1, 0, 0)


def test_alerts_of_one_incident_count_once() -> None:
    revisions = [alert(0), alert(3, alert_id="b"), alert(8, alert_id="c", direction="rise")]
    assert price_of(score([label()], revisions)) == (1, 0, 0, 0)


def test_another_symbol_or_venue_finds_nothing() -> None:
    changes: list[dict[str, Any]] = [{"symbol": "B"}, {"venue": "XNYS"}]
    for change in changes:
        card = score([label()], [alert(**change)])
        assert card.recall == Rate(0, 1)
        assert price_of(card) == (0, 1, 0, 0)


def test_data_quality_and_price_are_apart() -> None:
    bad = label("bad_print", direction="rise")
    right = score([bad], [alert(category="data_quality", direction="none")])
    assert right.recall == Rate(1, 1)
    assert right.families[1].precision == Rate(1, 1)
    wrong = score([bad], [alert(category="price", direction="rise")])
    assert wrong.recall == Rate(0, 1)
    assert price_of(wrong) == (0, 1, 0, 0)
    assert wrong.families[0].false_incidents == ("i1",)


def test_volume_incidents_belong_to_the_price_family() -> None:
    card = score([label("volume_surge", direction="none")], [alert(category="volume", direction="rise")])
    assert card.recall == Rate(1, 1)


def test_a_retracted_alert_finds_nothing_and_is_not_false() -> None:
    card = score([label()], [alert(), alert(1, revision=2, change="retracted", state="retracted")])
    assert card.recall == Rate(0, 1)
    assert price_of(card) == (0, 0, 0, 1)


def test_an_incident_with_one_alert_retracted_stands_on_the_other() -> None:
    revisions = [
        alert(0),
        alert(1, revision=2, change="retracted", state="retracted"),
        alert(1, alert_id="b"),
    ]
    card = score([label()], revisions)
    assert card.classes[0].delays_s == (60.0,)
    assert price_of(card) == (1, 0, 0, 0)


def test_the_order_of_revisions_does_not_matter() -> None:
    revisions = [alert(), alert(1, revision=2, change="retracted", state="retracted"), alert(50, incident="i2")]
    assert score([label()], revisions) == score([label()], revisions[::-1])


def test_incidents_around_a_pump_are_neutral_when_asked_for() -> None:
    pump = label("pump_dump", direction="rise")
    around = Matching(
        neutral_before_ns=HOUR_NS // 2, neutral_after_ns=2 * HOUR_NS, neutral_kinds=frozenset({"pump_dump"})
    )
    revisions = [alert(-29, "i1"), alert(119, "i2"), alert(121, "i3")]
    assert price_of(score([pump], revisions, around)) == (0, 1, 2, 0)
    assert price_of(score([pump], revisions)) == (0, 3, 0, 0)


def test_a_trap_counts_when_an_incident_opens_in_it_that_no_label_explains() -> None:
    trap = label("level_shift", 2, is_trap=True, end_ns=NOON + HOUR_NS)
    other = label("level_shift", 2, is_trap=True, end_ns=NOON + HOUR_NS, symbol="B")
    quiet = score([label(), trap, other], [alert(0), alert(5, revision=2, change="worsened")])
    assert quiet.traps == {"level_shift": Rate(0, 2)}
    loud = score([label(), trap, other], [alert(0), alert(20, "i2")])
    assert loud.traps == {"level_shift": Rate(1, 2)}
    assert price_of(loud) == (1, 1, 0, 0)
    explained = score([label(), trap, label(minute=20)], [alert(0), alert(20, "i2")])
    assert explained.traps == {"level_shift": Rate(0, 1)}


def test_nothing_planted_and_nothing_found_has_no_rates() -> None:
    card = score([], [])
    assert math.isnan(card.recall.value)
    assert card.recall.interval == (0.0, 1.0)
    assert card.classes == ()
    assert card.traps == {}


def test_classes_are_counted_apart() -> None:
    card = score([label(), label("rise", 60, direction="rise"), label(minute=120)], [alert(), alert(120, "i2")])
    assert [(c.kind, c.recall) for c in card.classes] == [("drop", Rate(2, 2)), ("rise", Rate(0, 1))]
    assert card.classes[1].median_delay_s is None
    assert card.recall.value == pytest.approx(2 / 3)


def test_delays_are_in_seconds_of_event_time() -> None:
    early = alert(ts_event_ns=NOON - 15 * SECOND_NS)
    assert score([label()], [early]).classes[0].delays_s == (-15.0,)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [  # R's binom.test
        (0, 10, 0.0, 0.3084971),
        (10, 10, 0.6915029, 1.0),
        (5, 10, 0.1870860, 0.8129140),
        (95, 100, 0.8871651, 0.9835681),
        (23, 23, 0.8518149, 1.0),
    ],
)
def test_intervals_are_exact(successes: int, trials: int, low: float, high: float) -> None:
    assert clopper_pearson(successes, trials) == pytest.approx((low, high), abs=1e-6)


@pytest.mark.parametrize("trials", [7, 300, 20_000])
@pytest.mark.parametrize("part", [0.01, 0.5, 0.97])
def test_at_an_intervals_ends_the_tails_have_two_and_a_half_percent(trials: int, part: float) -> None:
    successes = max(1, min(trials - 1, round(trials * part)))
    low, high = clopper_pearson(successes, trials)
    assert _tail(range(successes, trials + 1), trials, low) == pytest.approx(0.025, rel=1e-6)
    assert _tail(range(successes + 1), trials, high) == pytest.approx(0.025, rel=1e-6)


def _tail(counts: range, n: int, p: float) -> float:
    def log_mass(k: int) -> float:
        choose = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
        return choose + k * math.log(p) + (n - k) * math.log1p(-p)

    return math.fsum(math.exp(log_mass(k)) for k in counts)


def test_more_successes_than_trials_are_refused() -> None:
    with pytest.raises(ValueError, match="11 successes in 10 trials"):
        clopper_pearson(11, 10)
