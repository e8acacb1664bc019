"""What the notifier remembers of data-quality alerts: what may mute a notice, and no more than of the last days."""

import uuid

import pytest

from tapewatch.alerts.inhibition import EVERY_SYMBOL
from tapewatch.model.secret import Secret
from tapewatch.model.times import DAY_NS
from tapewatch.runtime.cluster.servers import Running
from tapewatch.stores.redis import connect
from tapewatch.stores.redis.notices import RedisNoticeMemory, Remembered
from tests.factories import ONSET_NS, make_alert, make_incident

pytestmark = pytest.mark.cluster


@pytest.fixture
def memory(state_redis: Running) -> RedisNoticeMemory:
    return RedisNoticeMemory(connect(Secret(state_redis.address)), f"test-{uuid.uuid4().hex[:8]}")


def test_only_what_mutes_is_kept(memory: RedisNoticeMemory) -> None:
    stale = make_alert(rule="stale_feed", alert_type="stale_feed", category="data_quality")
    venue = make_alert(rule="dead_feed", alert_type="dead_feed", category="data_quality", symbol=EVERY_SYMBOL)
    prints = [
        make_alert(rule="bad_print", alert_type="bad_print", category="data_quality", onset_k=k) for k in range(50)
    ]
    memory.save({}, [stale, *prints, venue], {}, ONSET_NS)
    assert {alert.alert_id for alert in memory.quality(make_incident(), ONSET_NS)} == {stale.alert_id, venue.alert_id}


def test_one_that_has_ended_goes_after_a_while_and_an_open_one_stays(memory: RedisNoticeMemory) -> None:
    halts = [make_alert(rule="halt", alert_type="halt", category="data_quality", onset_k=k) for k in range(3)]
    memory.save({}, halts, {}, ONSET_NS)
    ended = make_alert(rule="halt", alert_type="halt", category="data_quality", onset_k=1, state="resolved", revision=2)
    taken_back = make_alert(
        rule="halt", alert_type="halt", category="data_quality", onset_k=2, state="retracted", revision=2
    )
    memory.save({}, [ended], {}, ONSET_NS + DAY_NS)
    memory.save({}, [taken_back], {}, ONSET_NS + 3 * DAY_NS)
    assert memory.prune(ONSET_NS + 2 * DAY_NS) == 1
    left = {alert.alert_id for alert in memory.quality(make_incident(), ONSET_NS)}
    assert left == {halts[0].alert_id, taken_back.alert_id}
    assert memory.prune(ONSET_NS + 2 * DAY_NS) == 0


def test_an_incident_goes_a_while_after_its_last_alert_has_ended_and_an_open_one_stays(
    memory: RedisNoticeMemory,
) -> None:
    open_, ended = make_alert(onset_k=1), make_alert(onset_k=2, state="resolved")
    again = make_alert(onset_k=3, state="resolved")
    several = {"open": [open_, ended], "ended": [ended], "again": [again]}
    incidents = {name: Remembered({a.alert_id: a for a in alerts}) for name, alerts in several.items()}
    memory.save(incidents, [], {}, ONSET_NS)
    back = Remembered({again.alert_id: make_alert(onset_k=3, revision=9)})
    memory.save({"again": back}, [], {}, ONSET_NS)
    assert memory.prune(ONSET_NS + DAY_NS) == 1
    assert set(memory.incidents(list(several))) == {"open", "again"}
    memory.save({"again": incidents["again"]}, [], {}, ONSET_NS + 2 * DAY_NS)
    assert memory.prune(ONSET_NS + 2 * DAY_NS) == 1
    assert set(memory.incidents(list(several))) == {"open"}
