"""Notices on the cluster: owed in Redis, told once, and not lost with the state."""

import io
import json
import logging
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Lock, Thread
from typing import Literal

import msgspec
import pytest

from tapewatch.alerts.groups import close_group, open_group
from tapewatch.model.alerts import Alert
from tapewatch.model.market import Group, MarketFindings, MarketMinute, Past
from tapewatch.model.secret import Secret
from tapewatch.model.times import DAY_NS, MINUTE_NS
from tapewatch.notify.port import Delivery, Notice
from tapewatch.notify.settings import NotifySettings
from tapewatch.runtime.cluster.servers import Running
from tapewatch.runtime.cluster.sinks.group_news import GroupDesk
from tapewatch.runtime.cluster.sinks.loop import SinkLoop
from tapewatch.runtime.cluster.sinks.notifier import Deliveries, NoticeSink
from tapewatch.runtime.config.settings import LoggingSettings
from tapewatch.runtime.logging import configure_logging
from tapewatch.runtime.tracing import traceparent
from tapewatch.stores.redis.client import Client, connect
from tapewatch.stores.redis.groups import RedisGroupStore
from tapewatch.stores.redis.notices import RedisNoticeMemory
from tapewatch.tape.kafka_events import event_headers
from tapewatch.tape.kafka_group import KafkaGroup
from tapewatch.tape.kafka_names import key_of
from tapewatch.tape.kafka_publisher import KafkaPublisher
from tapewatch.tape.kafka_settings import KafkaSettings
from tapewatch.tape.kafka_topics import KafkaTopics, TopicSpec
from tests.factories import ONSET_NS, make_alert

pytestmark = pytest.mark.cluster
PATIENCE_S = 30.0
ALONE = NotifySettings()


class Pigeon:
    """A channel that remembers what it was given; `broken` makes it ask to be tried again."""

    name, recipients = "pigeon", ("desk",)

    def __init__(self) -> None:
        self.told: list[tuple[str, str, str]] = []  # event, alert's or group's id, message id
        self.words: list[str] = []
        self.broken, self._lock = False, Lock()

    def deliver(self, notice: Notice, recipient: str, message_id: str) -> Delivery:
        if self.broken:
            return Delivery("retry", "no wind", retry_after_s=0.5)
        with self._lock:
            name = notice.group.group_id if notice.group else notice.alert.alert_id
            self.told.append((notice.event, name, message_id))
            self.words.append(notice.incident.message)
        return Delivery("done")


class Desk:
    """A topic, a corner of Redis and a consumer group of one test's own."""

    def __init__(self, kafka: KafkaSettings, client: Client) -> None:
        self.kafka, self.client = kafka, client
        self.name = uuid.uuid4().hex[:10]
        self.groups = f"{self.name}-groups"
        KafkaTopics(kafka).ensure([TopicSpec(self.name, 2), TopicSpec(self.groups, 1)])
        self.pigeon = Pigeon()

    def publish(self, alerts: Sequence[Alert]) -> None:
        publisher = KafkaPublisher(self.kafka, linger_ms=0)
        publisher.publish(self.name, [key_of(a.symbol) for a in alerts], [msgspec.json.encode(a) for a in alerts])
        publisher.close()

    def publish_found(self, *found: MarketFindings) -> None:
        publisher = KafkaPublisher(self.kafka, linger_ms=0)
        publisher.publish(self.groups, [b"*"] * len(found), [msgspec.json.encode(f) for f in found])
        publisher.close()

    @contextmanager
    def notifying(self, settings: NotifySettings = ALONE) -> Iterator[NoticeSink]:
        group = KafkaGroup(self.kafka, [self.name, self.groups], f"{self.name}-notify")
        sink = NoticeSink(
            group, self.client, settings, prefix=self.name, channels=[self.pigeon], groups_topic=self.groups
        )
        loop, stop = SinkLoop(group, sink, 50), Event()
        parts = (loop.run, Deliveries(sink.notifier, self.client, self.name).run)
        threads = [Thread(target=part, args=(stop,)) for part in parts]
        for thread in threads:
            thread.start()
        yield sink
        stop.set()
        for thread in threads:
            thread.join()

    def forget(self, *names: str) -> None:
        for name in names:
            self.client.delete(f"{self.name}:{{notices}}:{name}")


@pytest.fixture
def desk(kafka_server: Running, state_redis: Running) -> Iterator[Desk]:
    client = connect(Secret(state_redis.address))
    yield Desk(KafkaSettings(kafka_server.address), client)
    client.close()


def eventually(what: Callable[[], object]) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < give_up, "it did not come about"
        time.sleep(0.05)


def told(desk: Desk) -> list[str]:
    return sorted(f"{event} {alert_id}" for event, alert_id, _ in desk.pigeon.told)


def test_people_are_told_once_of_what_begins_and_ends_whatever_repeats_and_whoever_sends(desk: Desk) -> None:
    alerts = [make_alert(symbol=f"S{i}") for i in range(12)]
    ended = [msgspec.structs.replace(a, revision=2, state="resolved", change="resolved") for a in alerts]
    desk.publish(alerts + alerts[3:])
    with desk.notifying(), desk.notifying():
        eventually(lambda: len(desk.pigeon.told) >= 12)
        desk.publish(ended + alerts[:5])
        eventually(lambda: len(desk.pigeon.told) >= 24)
    with desk.notifying():  # a restart repeats nothing
        desk.publish([make_alert(symbol="LAST")])
        eventually(lambda: len(desk.pigeon.told) >= 25)
    expected = [f"opened {a.alert_id}" for a in [*alerts, make_alert(symbol="LAST")]]
    assert told(desk) == sorted(expected + [f"resolved {a.alert_id}" for a in alerts])


def test_what_is_decided_of_an_alert_is_told_under_its_trace_and_its_delivery_under_its_event(desk: Desk) -> None:
    alert, stream = make_alert(symbol="S"), io.StringIO()
    payload, parent = msgspec.json.encode(alert), traceparent("prices/x/0", 7)
    levels: dict[str, Literal["debug", "info", "warning", "error"]] = {
        "tapewatch.trace": "debug",
        "tapewatch.notify": "debug",
    }
    handler = configure_logging(LoggingSettings(format="json", levels=levels), stream=stream)
    publisher = KafkaPublisher(desk.kafka, linger_ms=0)
    publisher.publish(desk.name, [b"S"], [payload], [event_headers("alert", payload, "/desk", lambda _: parent)])
    publisher.close()
    with desk.notifying():
        eventually(lambda: "delivered" in stream.getvalue())
    logging.getLogger().removeHandler(handler)
    lines = {line["message"]: line for line in map(json.loads, stream.getvalue().splitlines())}
    assert lines["notice decided"]["trace_id"] == parent[3:35]
    assert lines["notice decided"]["event"] == lines["delivered"]["event"] == f"{alert.alert_id}:1"


def test_what_is_owed_outlives_the_process_and_the_channel(desk: Desk) -> None:
    alerts = [make_alert(symbol=f"S{i}") for i in range(3)]
    desk.pigeon.broken = True
    desk.publish(alerts)
    with desk.notifying() as sink:
        eventually(lambda: sink.ledger.pending() == 3)
    desk.pigeon.broken = False
    with desk.notifying() as sink:
        eventually(lambda: sink.ledger.pending() == 0)
    assert told(desk) == sorted(f"opened {a.alert_id}" for a in alerts)


def test_a_redis_that_came_back_older_or_empty_loses_no_notice(desk: Desk) -> None:
    alerts = [make_alert(symbol="ONE", onset_k=i, incident_id=f"i{i}") for i in range(30)]
    desk.publish(alerts[:10])
    with desk.notifying() as sink:
        eventually(lambda: len(desk.pigeon.told) == 10)
        desk.pigeon.broken = True
        desk.publish(alerts[10:20])
        eventually(lambda: sink.ledger.pending() == 10)
        desk.forget("rows", "due", "settled", "incidents", "touched", "offsets")  # as FLUSHALL does
        desk.pigeon.broken = False
        desk.publish(alerts[20:])
        eventually(lambda: {a for _, a, _ in desk.pigeon.told} == {a.alert_id for a in alerts})
        assert sink.rewound == 1
    repeats = len(desk.pigeon.told) - len(alerts)
    assert len({message_id for _, _, message_id in desk.pigeon.told}) == len(alerts)
    assert repeats <= 10  # those that Kafka's offset had not passed yet


COINS = ("ALGO/USDT", "AVAX/USDT", "FIL/USDT", "NEAR/USDT")
END_NS = ONSET_NS // MINUTE_NS * MINUTE_NS + MINUTE_NS
BEFORE = MarketFindings(through_ns=END_NS - MINUTE_NS, active={"binance:USDT": 4})


def sell_off() -> tuple[Group, MarketMinute, list[Alert]]:
    """Four coins that fell in the same minute."""
    past = [Past("binance", coin, False, ONSET_NS, -6_000_000, -60_000) for coin in COINS]
    minute = MarketMinute("binance:USDT", END_NS, 4, 0, 4, 0, 4, 4, -24_000_000, 144_000_000, -240_000, past)
    group = open_group(minute)
    assert group is not None
    alerts = [make_alert(venue="binance", symbol=c, currency="USDT", incident_id=c) for c in COINS]
    return group, minute, alerts


def test_one_sell_off_is_one_notice_although_its_members_are_known_first(desk: Desk) -> None:
    group, minute, alerts = sell_off()
    desk.publish_found(BEFORE)
    waits = NotifySettings(group_wait_s=8.0)
    with desk.notifying(waits) as sink, desk.notifying(waits):
        eventually(lambda: sink.groups.store.markets()[0] == BEFORE.through_ns)
        desk.publish(alerts)
        eventually(lambda: sink.ledger.pending() == 4)
        found = MarketFindings([group], [minute], END_NS, {"binance:USDT": 4})
        desk.publish_found(found, found)
        eventually(lambda: told(desk) == [f"opened {group.group_id}"])
        desk.publish_found(MarketFindings([close_group(group)], [], group.until_ns, {}))
        eventually(lambda: sink.ledger.pending() == 0)
    with desk.notifying(waits):  # a restart repeats nothing
        desk.publish([make_alert(symbol="LAST")])
        eventually(lambda: len(desk.pigeon.told) == 3)
    last = make_alert(symbol="LAST").alert_id
    assert told(desk) == sorted([f"opened {group.group_id}", f"resolved {group.group_id}", f"opened {last}"])


def test_a_group_that_is_known_before_its_members_waits_for_them(desk: Desk) -> None:
    group, minute, alerts = sell_off()
    desk.publish_found(MarketFindings([group], [minute], END_NS, {"binance:USDT": 4}))
    with desk.notifying(NotifySettings(group_wait_s=1.0)) as sink:
        eventually(lambda: len(sink.groups.store.news(10)) == 1)
        desk.publish(alerts[:1])
        eventually(lambda: not sink.groups.store.news(10))
        desk.publish(alerts[1:])
        eventually(lambda: sink.notifier.counts.snapshot().get(("suppressed", "pigeon", "group")) == 4)
        eventually(lambda: sink.ledger.pending() == 0)
    assert told(desk) == [f"opened {group.group_id}"]


def test_groups_of_a_tape_of_the_past_are_kept_by_its_own_clock(desk: Desk) -> None:
    group, minute, _ = sell_off()
    store = RedisGroupStore(desk.client, desk.name)
    groups = GroupDesk(store, RedisNoticeMemory(desk.client, desk.name), ALONE, lambda: END_NS + 600 * DAY_NS)
    groups.take([MarketFindings([group], [minute], END_NS, {"binance:USDT": 4})])
    assert (groups.prune(DAY_NS), len(store.news(10))) == (0, 1)
    groups.take([MarketFindings(through_ns=END_NS + 2 * DAY_NS, active={"binance:USDT": 4})])
    assert (groups.prune(DAY_NS), len(store.news(10))) == (1, 0)


def test_an_alert_in_a_market_whose_minute_is_over_says_what_the_market_did(desk: Desk) -> None:
    _, minute, alerts = sell_off()
    alone = msgspec.structs.replace(minute, falling=1, down=1, past=minute.past[:1], sum_move=-60_000)
    desk.publish_found(MarketFindings([], [alone], END_NS, {"binance:USDT": 4}))
    with desk.notifying() as sink:
        eventually(lambda: sink.groups.store.markets()[0] == END_NS)
        desk.publish(alerts[:1])
        eventually(lambda: desk.pigeon.told)
    assert "it moved alone" in desk.pigeon.words[0]
