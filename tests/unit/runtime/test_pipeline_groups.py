"""A pipeline keeps market-wide moves: the same ones whatever the batches and restarts, also over a change of rules."""

import pytest
from rich.console import Console

from tapewatch.model.market import Group
from tapewatch.runtime.cli.tables import show_alerts
from tapewatch.runtime.config.settings import RulesSettings
from tapewatch.runtime.embedded import build_engine, memory_sinks
from tapewatch.runtime.pipeline import Pipeline, Progress, Sinks
from tapewatch.stores.port import GroupQuery
from tests.property.test_law_breadth import sell_off
from tests.unit.detection.support import batch_of
from tests.unit.runtime.pipeline_support import NOW_NS, SHARD, Tape

RECORDS = batch_of(sell_off(1))
WHOLE = Tape(RECORDS, (), len(RECORDS))


def run(sinks: Sinks, tape: Tape, limit: int, settings: RulesSettings | None = None) -> None:
    pipeline = Pipeline(SHARD, build_engine(settings or RulesSettings()), sinks, lambda: NOW_NS)
    pipeline.claim()
    pipeline.run(tape, limit)


def groups(sinks: Sinks) -> list[Group]:
    assert sinks.groups is not None
    return sinks.groups.groups(GroupQuery(newest_first=False))


@pytest.fixture(scope="module")
def reference() -> list[Group]:
    sinks = memory_sinks()
    run(sinks, WHOLE, 100_000)
    found = groups(sinks)
    assert found
    return found


@pytest.mark.parametrize("limit", [7, 100])
def test_groups_do_not_depend_on_batches_and_restarts(reference: list[Group], limit: int) -> None:
    sinks = memory_sinks()
    for end in (200, 450, 520, 600, WHOLE.end):
        run(sinks, WHOLE.up_to(end), limit)
    assert groups(sinks) == reference


def test_an_open_group_goes_on_over_a_change_of_rules(reference: list[Group]) -> None:
    opened = reference[0]
    past = RECORDS.ts_event_ns > opened.opened_ns + 60_000_000_000
    middle = int(past.argmax())
    sinks = memory_sinks()
    run(sinks, WHOLE.up_to(middle), 1_000)
    assert [g.state for g in groups(sinks)] == ["open"]
    run(sinks, WHOLE, 1_000, RulesSettings(preset="prototype"))
    after = groups(sinks)[0]
    assert (after.group_id, after.state) == (opened.group_id, "closed")


def test_a_run_tells_with_its_alerts_what_the_market_did() -> None:
    sinks = memory_sinks()
    run(sinks, WHOLE, 100_000)
    console = Console(record=True, width=250)
    show_alerts(console, sinks.alerts, sinks.groups, Progress(), 1.0)
    assert "the market moved with it" in console.export_text()
