"""Rules change while state exists: what did not change goes on as if nothing had happened, the rest starts cold, and no
alert is left open without a rule."""

from dataclasses import replace
from typing import Any

import pytest

from tapewatch.detection.engine import Engine
from tapewatch.detection.migrate import migrate
from tapewatch.detection.rules import RuleSet
from tapewatch.model.alerts import Alert
from tapewatch.model.errors import GiveUpError
from tapewatch.model.times import HOUR_NS, MINUTE_NS
from tests.unit.detection.market import market
from tests.unit.detection.support import (
    REGULAR_NS,
    TSLA,
    Tick,
    bars,
    batch_of,
    beat,
    calm,
    changes,
    engine_for,
    everything,
    feed,
    preset,
    row,
    watching,
)

WARM = bars(TSLA, calm(40))
EVENT = [replace(t, volume=3000.0) for t in bars(TSLA, [106.0, 106.0], WARM[-1].act_ns)]
ALL: dict[str, dict[str, Any]] = {r.name: {} for r in everything().rules}


def before(rules: RuleSet, ticks: list[Tick]) -> dict[str, bytes]:
    return feed(engine_for(rules), batch_of(ticks)).rows


def moved(old: RuleSet, rows: dict[str, bytes], new: RuleSet) -> tuple[Engine, dict[str, bytes], list[Alert]]:
    engine = engine_for(new)
    symbols = [(key, row) for key, row in rows.items() if not key.startswith("*|")]  # the shard's own rows stay
    carried, alerts = migrate([(r.rule, r.version) for r in old.rules], symbols, engine, "2025-04-07T15:00:00Z")
    return engine, dict(carried), alerts


def test_nothing_changes_under_the_same_rules() -> None:
    rules, tape = everything(), market(11, 80)
    half = len(tape) // 2
    rows = before(rules, tape[:half])
    engine, carried, alerts = moved(rules, rows, rules)
    assert alerts == []
    straight = engine_for(rules)
    straight.load(rows.items())
    rest = batch_of(tape[half:], first=half)
    one, other = feed(straight, rest), feed(engine, rest)
    assert other.told() == one.told()
    after = carried | other.rows
    assert {k: row for k, row in (rows | one.rows).items() if not k.startswith("*|")}.items() <= after.items()


def test_a_changed_rule_starts_cold_and_its_open_alert_resolves_at_the_last_tick() -> None:
    old, new = watching(**ALL), watching(**ALL | {"price_move": {"params": {"pct": 2.0}}})
    rows = before(old, [*WARM, *EVENT])
    opened = feed(engine_for(old), batch_of([*WARM, *EVENT])).of("price_move")
    engine, _, alerts = moved(old, rows, new)
    (gone,) = [a for a in alerts if a.rule == "price_move"]
    assert changes([gone]) == [("resolved", "rule_changed")]
    assert (gone.alert_id, gone.revision) == (opened[0].alert_id, opened[-1].revision + 1)
    assert (gone.ts_event_ns, gone.price, gone.direction) == (EVENT[-1].at_ns, 106.0, "rise")
    assert gone.timestamp_detection == "2025-04-07T15:00:00Z"
    assert "resolved as rule_changed" in gone.message
    assert {a.rule for a in alerts} == {"price_move"}
    after = feed(engine, batch_of([beat(EVENT[-1].act_ns + 10 * HOUR_NS)], first=42))
    others = {a.rule for a in feed(engine_for(old), batch_of([*WARM, *EVENT])).alerts} - {"price_move"}
    assert others
    ended = {(a.rule, a.reason) for a in after.alerts if a.rule != "stale_feed"}  # which that silence opens
    assert ended == {(rule, "session_end") for rule in others}


def test_an_unchanged_rule_keeps_its_bytes_of_state() -> None:
    old, new = (
        watching(**ALL),
        watching(**ALL | {"price_move": {"severity": "high"}, "sma": {"params": {"window": 33}}}),
    )
    rows = before(old, [*WARM, *EVENT])
    engine, carried, _ = moved(old, rows, new)
    was = engine_for(old)
    was.load(rows.items())
    for i, rule in enumerate(old.rules):
        kept = row(engine, TSLA)[f"r{i}"].tobytes() == row(was, TSLA)[f"r{i}"].tobytes()
        assert kept == (rule.name != "sma")
    assert carried


def test_a_removed_rule_s_alert_resolves_and_the_others_move_to_their_new_place() -> None:
    old, new = preset("default"), preset("default")
    new = RuleSet("fewer", tuple(r for r in new.rules if r.name != "price_move_1m"))
    rows = before(old, [*WARM, *EVENT])
    engine, _, alerts = moved(old, rows, new)
    assert {a.rule for a in alerts} == {"price_move_1m"}
    quiet = bars(TSLA, [106.0] * 25, EVENT[-1].act_ns)
    straight = feed(engine_for(old), batch_of([*WARM, *EVENT, *quiet]))
    went_on = feed(engine, batch_of(quiet, first=42))
    wanted = [a for a in straight.alerts if a.rule != "price_move_1m" and a.offset >= 42]
    assert wanted
    assert [(a.alert_id, a.revision, a.change) for a in went_on.alerts] == [
        (a.alert_id, a.revision, a.change) for a in wanted
    ]


def test_alerts_of_rules_without_episodes_are_not_resolved() -> None:
    old = watching(**ALL | {"price_move": {"alert": "each"}})
    rows = before(old, [*WARM, *EVENT])
    _, _, alerts = moved(old, rows, watching(**ALL | {"price_move": {"params": {"pct": 2.0}}}))
    assert alerts == []


def test_data_quality_alerts_resolve_without_a_direction() -> None:
    silent = [*WARM, beat(WARM[-1].act_ns + 20 * MINUTE_NS)]
    old = watching(**ALL)
    _, _, alerts = moved(old, before(old, silent), watching(**ALL | {"stale_feed": {"params": {"factor": 20.0}}}))
    assert [(a.rule, a.direction, a.reason) for a in alerts] == [("stale_feed", "none", "rule_changed")]


def test_rows_of_a_version_that_this_program_cannot_make_are_refused() -> None:
    rules = everything()
    with pytest.raises(GiveUpError, match="'zscore' was written as version 000000000000"):
        migrate([(rules.rules[0].rule, "000000000000")], [], engine_for(rules), None)


def test_a_larger_window_of_closes_keeps_the_closes_there_are() -> None:
    old, new = preset("prototype"), watching(zscore={"params": {"window": 40}})
    ticks = bars(TSLA, calm(30))
    engine, _, _ = moved(old, before(old, ticks), new)
    found = row(engine, TSLA)["head"]
    assert [found["closes"][i % len(found["closes"])] for i in range(10, 30)] == [t.close for t in ticks[10:]]
    assert found["pos"] == 30
    assert found["last_ns"] > REGULAR_NS
