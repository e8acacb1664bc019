"""When a market's minute is a group, how it goes on and ends, which incidents are of it, and who moved alone."""

import pytest

from tapewatch.alerts.groups import (
    LONGEST_NS,
    OPEN_NS,
    close_group,
    follow_group,
    group_of,
    minute_of,
    open_group,
    view_of,
)
from tapewatch.model.market import UNIT, Group, MarketMinute, Past
from tapewatch.model.times import MINUTE_NS
from tests.factories import ONSET_NS, make_incident

END_NS = ONSET_NS + MINUTE_NS


def minute(moves: list[tuple[float, float, int]], end_ns: int = END_NS) -> MarketMinute:
    """A market of symbols S0, S1, ... with (return in percent, z, past: -1 down, 0 not, 1 up)."""
    past = [
        Past("XNAS", f"S{i}", way > 0, ONSET_NS, round(z * UNIT), round(pct * UNIT / 100))
        for i, (pct, z, way) in enumerate(moves)
        if way
    ]
    zs, rets = [round(z * UNIT) for _, z, _ in moves], [round(p * UNIT / 100) for p, _, _ in moves]
    return MarketMinute(
        "XNYS", end_ns, len(moves), sum(r > 0 for r in rets), sum(r < 0 for r in rets),
        sum(p.up for p in past), sum(not p.up for p in past), len(moves),
        sum(zs), sum(z * z // UNIT for z in zs), sum(rets), past,
    )  # fmt: skip


def opened(**changes: object) -> Group:
    group = open_group(minute([(-5.0, -6.0, -1)] * 4))
    assert group is not None
    return group


@pytest.mark.parametrize(
    ("down", "up", "calm", "is_group"),
    [
        (3, 0, 3, True),  # half of six
        (3, 0, 4, False),  # less than half
        (2, 0, 2, False),  # half, but two
        (3, 0, 0, False),  # all of three: no market
        (4, 0, 0, True),
        (0, 4, 1, True),  # a rally is one as well
        (2, 2, 0, False),  # half of them each way is no move of the market
    ],
)
def test_half_of_at_least_four_and_at_least_three_in_one_direction_are_a_group(
    down: int, up: int, calm: int, is_group: bool
) -> None:
    moves = [(-5.0, -6.0, -1)] * down + [(5.0, 6.0, 1)] * up + [(0.1, 0.1, 0)] * calm
    found = open_group(minute(moves))
    assert (found is not None) == is_group
    if found is not None:
        assert found.direction == ("drop" if down else "rise")
        assert len(found.members) == down + up


def test_others_join_in_either_direction_for_half_an_hour_after_the_last_but_not_for_ever() -> None:
    group = opened()
    later = END_NS + 20 * MINUTE_NS
    after = follow_group(group, minute([(0.0, 0.0, 0)] * 4 + [(4.0, 5.0, 1)], later))
    assert (after.revision, after.until_ns, after.move_pct) == (2, later + OPEN_NS, -5.0)
    assert [(m.symbol, m.direction) for m in after.members[4:]] == [("S4", "rise")]
    assert follow_group(after, minute([(1.0, 2.0, 1)] * 4, later)).members == after.members, "a symbol joins once"
    last = follow_group(after, minute([(1.0, 2.0, 1)], END_NS + LONGEST_NS - 1))
    assert last.until_ns == END_NS + LONGEST_NS
    assert close_group(last).state == "closed"


@pytest.mark.parametrize(
    ("onset_ns", "market", "category", "joins"),
    [
        (ONSET_NS, "XNYS", "price", True),
        (END_NS - 3 * MINUTE_NS, "XNYS", "price", True),
        (END_NS - 3 * MINUTE_NS - 1, "XNYS", "price", False),
        (END_NS + OPEN_NS, "XNYS", "volume", True),
        (END_NS + OPEN_NS + 1, "XNYS", "price", False),
        (ONSET_NS, "XETR", "price", False),
        (ONSET_NS, "XNYS", "data_quality", False),
    ],
)
def test_which_incidents_are_of_a_group(onset_ns: int, market: str, category: str, joins: bool) -> None:
    incident = make_incident(onset_ns=onset_ns, category=category)
    assert (group_of(incident, market, [opened()]) is not None) == joins


def test_a_lonely_move_stands_out_more_in_a_calm_market() -> None:
    calm = minute([(-5.0, -6.0, -1), (0.1, 0.2, 0), (-0.1, -0.2, 0), (0.0, 0.0, 0)])
    wild = minute([(-5.0, -6.0, -1), (3.0, 4.0, 0), (-2.0, -4.0, 0), (0.5, 1.0, 0)])
    views = [view_of("XNAS", "S0", False, m) for m in (calm, wild)]
    assert all(v is not None and v.words.startswith("it moved alone: ") for v in views)
    stand_out = [v.residual_z for v in views if v is not None]
    assert stand_out[0] is not None and stand_out[1] is not None
    assert stand_out[0] < stand_out[1] < -1.0
    assert views[0] is not None
    assert (views[0].own_pct, views[0].market_pct, views[0].residual_pct) == (-5.0, 0.0, -5.0)


def test_who_falls_with_the_market_is_told_so_by_the_others_only() -> None:
    view = view_of("XNAS", "S0", False, minute([(-5.0, -6.0, -1)] * 3 + [(-3.0, -2.0, 0)]))
    assert view is not None
    assert view.words == (
        "the market moved with it: 3 of 3 others in XNYS fell, -4.33 % on average over 5 minutes against its -5.00 %"
    )
    assert (view.others, view.falling) == (3, 3)


def test_with_fewer_than_four_active_symbols_nobody_is_alone() -> None:
    assert view_of("XNAS", "S0", False, minute([(-5.0, -6.0, -1)] * 3)) is None
    assert view_of("XNAS", "S0", False, None) is None
    assert view_of("XNAS", "other", False, minute([(-5.0, -6.0, -1)] * 4)) is None


def test_an_onset_belongs_to_the_minute_that_ends_after_it() -> None:
    minutes = [minute([(0.0, 0.0, 0)] * 4, END_NS + k * MINUTE_NS) for k in (-1, 0, 1)]
    assert minute_of(ONSET_NS, minutes) is minutes[1]
    assert minute_of(ONSET_NS - 60 * MINUTE_NS, minutes) is None
