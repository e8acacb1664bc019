"""The status of the cluster, asked of Kafka, the two Redis and Elasticsearch; what does not answer is named."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from tapewatch.model.errors import TapewatchError
from tapewatch.model.secret import Secret
from tapewatch.runtime.cluster.celery_app import DETECT, make_app
from tapewatch.runtime.cluster.elastic import elastic_client
from tapewatch.runtime.cluster.layout import merger_group
from tapewatch.runtime.cluster.protocol.ports import ShardId
from tapewatch.runtime.cluster.sinks.notify_process import GROUP as NOTIFY
from tapewatch.runtime.config.kafka import kafka_settings
from tapewatch.runtime.config.settings import Settings
from tapewatch.runtime.status.kafka import Ends, KafkaLook, Owners
from tapewatch.runtime.status.model import Group, Server, Shard, Status, Worker
from tapewatch.stores.elasticsearch.client import answering as elastic_answering
from tapewatch.stores.elasticsearch.indices import ALERTS
from tapewatch.stores.port import ShardHead
from tapewatch.stores.redis import RedisShardStore
from tapewatch.stores.redis import connect as connect_redis
from tapewatch.stores.redis.client import answering as redis_answering
from tapewatch.tape.kafka_entrance import knock
from tapewatch.tape.kafka_names import BREADTH

T = TypeVar("T")
KAFKA, STATE, QUEUE, ELASTICSEARCH = "Kafka", "Redis (state)", "Redis (queue)", "Elasticsearch"
Tape = tuple[list[ShardId], Ends, Owners, tuple[Group, ...]]
_NO_TAPE: Tape = ([], {}, {}, ())
_ANSWER_S = 3.0
_WORKERS_S = 1.0  # how long workers have to answer


def cluster_status(settings: Settings) -> Status:
    """Ask all of them at the same time, a few seconds each at most. Raises nothing where one does not answer: `servers`
    says so."""
    asked = _Asked(settings)
    with ThreadPoolExecutor(len(asked.servers)) as threads:
        tape = threads.submit(asked.ask, KAFKA, lambda: _tape(settings))

        def places() -> list[ShardId]:
            return (tape.result() or _NO_TAPE)[0]

        state = threads.submit(asked.ask, STATE, lambda: _heads(settings, places))
        queue = threads.submit(asked.ask, QUEUE, lambda: _workers(settings))
        elastic = threads.submit(asked.ask, ELASTICSEARCH, lambda: _alerts(settings))
    (shards, ends, owners, groups), heads = tape.result() or _NO_TAPE, state.result() or {}
    workers, queued = queue.result() or ((), None)
    return Status(
        mode="cluster",
        servers=tuple(asked.servers.values()),
        shards=tuple(_shard(place, ends, owners, heads) for place in shards),
        groups=groups,
        workers=workers,
        queued=queued,
        alerts=elastic.result(),
    )


class _Asked:
    """Asks servers, from any thread, and keeps what was wrong."""

    def __init__(self, settings: Settings) -> None:
        at = {
            KAFKA: settings.kafka.bootstrap,
            STATE: _shown(settings.state.address),
            QUEUE: _shown(settings.queue.address),
            ELASTICSEARCH: ", ".join(settings.elasticsearch.urls),
        }
        self.servers = {name: Server(name=name, address=address) for name, address in at.items()}

    def ask(self, name: str, question: Callable[[], T]) -> T | None:
        """The answer; None where there is none."""
        try:
            return question()
        except TapewatchError as error:
            self.servers[name] = msgspec.structs.replace(self.servers[name], trouble=str(error))
            return None


def _tape(settings: Settings) -> Tape:
    kafka = replace(kafka_settings(settings.kafka, "tapewatch-status"), timeout_s=_ANSWER_S)
    knock(kafka)
    look = KafkaLook(kafka)
    bridges, owners = look.group(settings.bridge.group)
    owned = {topic for topic, _ in owners}  # a bridge may read others than our settings name
    topics = look.topics([*settings.kafka.topics, *sorted(owned), BREADTH])
    places = [ShardId(t.name, t.topic_id, p) for t in topics.values() for p in range(t.partitions)]
    ends = look.ends([(place.topic, place.partition) for place in places])
    mergers, owner = look.group(merger_group(settings.bridge.group))
    sinks = [look.group(name)[0] for name in (settings.indexer.group, settings.archive.group, NOTIFY)]
    return places, ends, {**owners, **owner}, (bridges, mergers, *sinks)


def _heads(settings: Settings, places: Callable[[], list[ShardId]]) -> dict[str, tuple[ShardHead, int]]:
    client = connect_redis(settings.state.address, cluster=settings.state.cluster, timeout_s=_ANSWER_S)
    store = RedisShardStore(client, settings.state.prefix)
    try:
        with redis_answering():
            client.ping()
        found = {place.name: store.load(place.name, []) for place in places()}
        return {name: (loaded[0], store.outbox_depth(name)) for name, loaded in found.items() if loaded}
    finally:
        client.close()


def _workers(settings: Settings) -> tuple[tuple[Worker, ...], int]:
    client = connect_redis(settings.queue.address, timeout_s=_ANSWER_S)
    try:
        with redis_answering():
            queued = int(client.llen(DETECT))
    finally:
        client.close()
    app = make_app(settings)
    inspect = app.control.inspect(timeout=_WORKERS_S)
    stats = inspect.stats() or {}
    queues = (inspect.active_queues() or {}) if stats else {}
    workers = (
        Worker(
            name=name,
            queues=tuple(sorted(queue["name"] for queue in queues.get(name, ()))),
            processes=len(found["pool"].get("processes", ())) or 1,
            done=sum(found["total"].values()),
        )
        for name, found in sorted(stats.items())
    )
    return tuple(workers), queued


def _alerts(settings: Settings) -> int:
    section = msgspec.structs.replace(settings.elasticsearch, timeout_s=_ANSWER_S)
    client = elastic_client(section)
    try:
        with elastic_answering("counting the alerts"):
            found = client.options(ignore_status=404).count(index=f"{section.prefix}{ALERTS}")
            return int(found.get("count", 0))
    finally:
        client.close()


def _shard(place: ShardId, ends: Ends, owners: Owners, heads: dict[str, tuple[ShardHead, int]]) -> Shard:
    head, outbox = heads.get(place.name, (None, None))
    at = (place.topic, place.partition)
    end = ends.get(at)
    if end is not None and head:
        end = max(end, head.next)  # which was asked for later
    return Shard(
        name=f"{place.topic}/{place.partition}",
        owner=owners.get(at),
        end=end,
        next=head.next if head else None,
        epoch=head.epoch if head else None,
        outbox=outbox,
        fates={fate.name.lower(): count for fate, count in sorted(head.fates.items())} if head else {},
    )


def _shown(url: Secret) -> str:
    """An address without what may be secret in it."""
    parts = urlsplit(url.reveal())
    return f"{parts.hostname}:{parts.port or 6379}{parts.path}"
