"""What `/readyz` asks of the servers that a process works with."""

from functools import cache
from typing import TYPE_CHECKING

from tapewatch.runtime.cluster.ops import Check
from tapewatch.stores.redis import Client, server_id
from tapewatch.tape.kafka_settings import KafkaSettings

if TYPE_CHECKING:  # imported where it is used: a worker of batches has nothing to do with it
    from elasticsearch import Elasticsearch

_ANSWER_S = 3.0


def redis_answers(client: Client) -> Check:
    """Whether the Redis, or each primary of the cluster, answers."""

    def check() -> str | None:
        server_id(client)
        return None

    return check


def kafka_answers(settings: KafkaSettings) -> Check:
    """Whether a broker answers. Takes up to five seconds where none does."""
    from tapewatch.tape.kafka_topics import KafkaTopics

    @cache
    def topics() -> KafkaTopics:  # a client with threads of its own, which nobody needs who never asks
        return KafkaTopics(settings)

    def check() -> str | None:
        topics().check()
        return None

    return check


def elasticsearch_answers(client: "Elasticsearch") -> Check:
    """Whether a node answers."""
    from tapewatch.stores.elasticsearch.client import answering

    def check() -> str | None:
        with answering("asking how Elasticsearch is"):
            client.options(request_timeout=_ANSWER_S).cluster.health(local=True)
        return None

    return check
