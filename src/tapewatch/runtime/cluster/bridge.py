"""The bridge: owns partitions of a log, has them judged, publishes what was found."""

import logging
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from celery import Celery

from tapewatch.model.errors import GiveUpError, RetryableError, TapewatchError
from tapewatch.runtime.cluster.celery_app import make_app
from tapewatch.runtime.cluster.checks import kafka_answers, redis_answers
from tapewatch.runtime.cluster.detection import gap_entry
from tapewatch.runtime.cluster.executors import CeleryExecutor, InlineExecutor
from tapewatch.runtime.cluster.group import GroupMember, Partitions
from tapewatch.runtime.cluster.judging import Work, connect_state
from tapewatch.runtime.cluster.kafka_ports import GroupOffsets, KafkaLog, KafkaOutbox
from tapewatch.runtime.cluster.layout import Layout
from tapewatch.runtime.cluster.on_topics import OnTopics
from tapewatch.runtime.cluster.protocol.driver import ShardDriver
from tapewatch.runtime.cluster.protocol.ports import Executor, ShardId
from tapewatch.runtime.cluster.protocol.relay import Relay
from tapewatch.runtime.cluster.protocol.terms import Limits, Ports, Timing
from tapewatch.runtime.cluster.shard_runner import ShardRunner
from tapewatch.runtime.cluster.snapshots import KafkaSnapshots
from tapewatch.runtime.config.kafka import kafka_settings
from tapewatch.runtime.config.settings import Settings
from tapewatch.stores.redis import Client, Moves, check_servers, connect, server_id
from tapewatch.tape.kafka import KafkaTape
from tapewatch.tape.kafka_publisher import KafkaPublisher

_log = logging.getLogger(__name__)
RELAY_EVERY_S = 0.25
"""How often the outboxes are looked at where nobody says that there is something in them."""
SETTLE_S = 0.05
"""How often what was handed over is acknowledged and deleted, all at once."""
POLL_S = 0.05
RETRY_S = 0.5
INLINE_AHEAD = 60_000
"""Messages of a partition that are read ahead where the bridge judges itself. With many symbols, a batch costs by the
rows that it changes: what is read ahead is the batch. Where workers may stop, it would be memory."""
BEAT_NS, BEAT_BEHIND_NS = 1_000_000_000, 2_000_000_000
_MOST_QUEUED_A_SHARD = 4


class Bridge:
    """Its parts run on threads of their own: `parts` names them for `run_parts`.

    Raises GiveUpError where the servers of the state and the queue are not as they have to be.
    """

    def __init__(
        self,
        settings: Settings,
        make_work: Callable[[Client], Work],
        topics: Sequence[str],
        client_id: str = "tapewatch-bridge",
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """`make_work` is called once the servers are known to be right: it may take a while. `topics`: names, and
        patterns that begin with `^`."""
        self._settings, self._wanted, self._now_ns = settings, topics, now_ns
        self._kafka = kafka_settings(settings.kafka, client_id)
        self._client = connect_state(settings.state)
        inline = settings.bridge.executor == "inline"
        queue = None if inline else connect(settings.queue.address)
        check_servers(self._client, queue)
        self.checks = {
            "kafka": kafka_answers(self._kafka),
            "group": self.check_group,
            "state": redis_answers(self._client),
        }
        if queue is not None:
            self.checks["queue"] = redis_answers(queue)
        self._work = make_work(self._client)
        self.store = self._work.store
        self._app: Celery | None = None if inline else make_app(settings)
        self._layout = Layout(self._kafka, settings.kafka, self._client, settings.state.prefix)
        self._layout.make()
        self._publisher = KafkaPublisher(self._kafka, linger_ms=0, together=True)
        self._outbox = KafkaOutbox(self._publisher, settings.bridge.source)
        self.published = OnTopics(self._kafka)
        self._snapshots = KafkaPublisher(self._kafka, linger_ms=5)
        self._beats = KafkaPublisher(self._kafka, linger_ms=5) if settings.bridge.heartbeats else None
        self._lock = threading.Lock()
        self.runners: dict[tuple[str, int], ShardRunner] = {}
        # Counted while partitions were ours that may no longer be.
        self._before: dict[tuple[str, int], Counter[str]] = {}
        self._waiting: list[tuple[str, int]] = []  # given to us, and not begun yet
        self.put_off = 0
        self._found, self._watched = threading.Event(), threading.Event()
        self._member: GroupMember | None = None

    def parts(self) -> dict[str, Callable[[threading.Event], None]]:
        """What has to run, by name."""
        parts: dict[str, Callable[[threading.Event], None]] = {"group": self._run_group, "relay": self._run_relay}
        if self._app is not None:
            parts["moves"] = self._run_moves
        if self._beats is not None:
            parts["heartbeats"] = self._run_beats
        return parts

    def shards(self) -> list[ShardRunner]:
        """Those that are owned now."""
        with self._lock:
            return list(self.runners.values())

    def counts(self) -> dict[tuple[str, int], Counter[str]]:
        """What was counted of each partition since the start, also while it was ours before."""
        with self._lock:
            found = {at: counts.copy() for at, counts in self._before.items()}
            for at, runner in self.runners.items():
                found.setdefault(at, Counter()).update(runner.counts())
        return found

    def close(self) -> None:
        """Let go of the clients, when all parts have ended."""
        self._publisher.close()
        self._snapshots.close()
        self._client.close()

    def check_group(self) -> str | None:
        """Why no partitions can be ours, or None."""
        member = self._member
        if member is None or not member.joined.is_set():
            return "not yet a member of the consumer group"
        return member.trouble()

    # --- the group

    def _run_group(self, stop: threading.Event) -> None:
        self._member = GroupMember(self._kafka, self._settings.bridge, self._wanted, self._given, self._taken)
        try:
            while not stop.is_set():
                self._member.poll()
                stop.wait(POLL_S if self._begin() else RETRY_S)
                for runner in self.shards():
                    if runner.failed is not None:
                        raise runner.failed
        finally:
            self._taken(list(self.runners), False)
            self._member.close()
            self._found.set()

    def _given(self, partitions: Partitions) -> None:
        self._waiting += partitions

    def _begin(self) -> bool:
        """Begin what was given to us. False where a server does not answer: the rest is begun later."""
        while self._waiting:
            topic, partition = self._waiting[0]
            try:
                runner = self._make(topic, partition)
            except RetryableError as error:
                self.put_off += 1
                _log.warning("%s/%s cannot be taken yet: %s", topic, partition, error)
                return False
            with self._lock:
                self.runners[topic, partition] = runner
            del self._waiting[0]
            self._watched.set()
            runner.start()
            _log.info("took %s/%s", topic, partition)
        return True

    def _taken(self, partitions: Partitions, lost: bool) -> None:
        self._waiting = [at for at in self._waiting if at not in partitions]
        with self._lock:
            runners = [(at, self.runners[at]) for at in partitions if at in self.runners]
        for _, runner in runners:
            if lost:
                runner.abandon()
            else:
                runner.finish()
        for at, runner in runners:
            runner.join(give_back=not lost)
            with self._lock:
                self._before.setdefault(at, Counter()).update(self.runners.pop(at).counts())
            _log.info("%s %s/%s", "lost" if lost else "gave back", *at)
        self._watched.set()

    def _make(self, topic: str, partition: int) -> ShardRunner:
        assert self._member is not None
        bridge = self._settings.bridge
        self._layout.check(topic)
        kafka = replace(self._kafka, read_ahead=INLINE_AHEAD) if self._app is None else self._kafka
        tape = KafkaTape(kafka, topic, partition, group=bridge.group)
        shard = ShardId(topic, tape.identity.rpartition("/")[0], partition)
        limits = Limits(bridge.batch_ticks)
        log = KafkaLog(tape, limits.messages, limits.bytes)
        relay = Relay(shard, self.store, self._outbox, self.published)
        ports = Ports(
            log=log,
            offsets=GroupOffsets(self._member, tape, topic, partition),
            store=self.store,
            executor=self._executor(),
            attempts=self._work.attempts,
            snapshots=KafkaSnapshots(self._kafka, self._snapshots, self._layout.snapshot_partition(partition)),
            rules=self._work.rules(),
            relay=relay,
            server_id=lambda: f"{server_id(self._client)} {self._work.stamp()}",
            incarnation=lambda: self._incarnation(topic),
            gap=lambda at, start, first: [gap_entry(at, start, first, self._now_ns())],
        )
        driver = ShardDriver(shard, ports, Timing(snapshot_s=bridge.snapshot_s), limits)
        return ShardRunner(driver, relay, log, tape, self._found.set)

    def _incarnation(self, topic: str) -> str:
        """Asked for at each claim. A server that has lost the state has lost the number of partitions as well."""
        self._layout.check(topic)
        return uuid.uuid4().hex

    def _executor(self) -> Executor:
        if self._app is None:
            return InlineExecutor(self._work.judge())
        return CeleryExecutor(self._app, lambda: max(_MOST_QUEUED_A_SHARD * len(self.runners), 16), time.monotonic)

    # --- what was found

    def _run_relay(self, stop: threading.Event) -> None:
        look_at = 0.0
        while not stop.is_set() or self.runners:
            self._found.wait(SETTLE_S)
            self._found.clear()
            look = time.monotonic() >= look_at
            if look:
                look_at = time.monotonic() + RELAY_EVERY_S
            while self._turn(look):
                look = False

    def _turn(self, look: bool) -> bool:
        """Publish what the outboxes hold; whether there may be more. What fails is collected again."""
        runners = self.shards()
        try:
            more = [r.relay.collect(r.driver.next, look=r.take_news() or look) for r in runners]
            self._outbox.flush()
            for runner in runners:
                runner.relay.settle()
        except RetryableError as error:
            _log.warning("what was found waits in the outbox: %s", error)
            for runner in runners:
                runner.relay.give_up()
            time.sleep(RELAY_EVERY_S)
            return False
        return any(more)

    # --- news, and the clock of live feeds

    def _run_moves(self, stop: threading.Event) -> None:
        """Tell shards and relays as soon as a worker has committed. Without it, they look every 250 ms."""
        moves = Moves(self._client, self.store)
        while not stop.is_set():
            try:
                if self._watched.is_set():
                    self._watched.clear()
                    moves.watch([runner.name for runner in self.shards()])
                for told in moves.wait(RELAY_EVERY_S):
                    for runner in self.shards():
                        if runner.name == told.shard:
                            runner.heard(told)
            except RetryableError as error:
                _log.warning("commits are not heard of: %s", error)
                stop.wait(1.0)
        moves.close()

    def _run_beats(self, stop: threading.Event) -> None:
        """A heartbeat a second into each owned partition, two seconds behind the clock."""
        assert self._beats is not None
        last_ns = 0
        while not stop.wait(0.05):
            beat_ns = (self._now_ns() - BEAT_BEHIND_NS) // BEAT_NS * BEAT_NS
            if beat_ns <= last_ns:
                continue
            last_ns = beat_ns
            try:
                for topic, partition in list(self.runners):
                    self._beats.beat(topic, partition, beat_ns, self._settings.bridge.source)
                self._beats.flush()
            except TapewatchError as error:
                if isinstance(error, GiveUpError):
                    raise
                _log.warning("heartbeats were not written: %s", error)
