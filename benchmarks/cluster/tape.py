"""Puts the tape of the comparison on a broker."""

import time
from collections.abc import Sequence

import numpy as np
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from benchmarks.cluster.walk import PARTITIONS, Plan, Reference, Walk, partition, reference, rows


def make_topics(bootstrap: str, *names: str, partitions: int = PARTITIONS) -> None:
    """Create topics whose time is the broker's; returns when they can be used."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    config = {"message.timestamp.type": "LogAppendTime"}
    wanted = [NewTopic(n, num_partitions=partitions, replication_factor=1, config=config) for n in names]
    for future in admin.create_topics(wanted).values():
        future.result(30)
    give_up = time.monotonic() + 15
    while not set(names) <= set(admin.list_topics(timeout=10).topics):
        if time.monotonic() > give_up:
            raise RuntimeError(f"topics do not appear: {names}")
        time.sleep(0.05)


def delete_topics(bootstrap: str, *names: str) -> None:
    """Delete what is there of these."""
    admin = AdminClient({"bootstrap.servers": bootstrap})  # futures are lost with it
    for name, future in admin.delete_topics(list(names)).items():
        try:
            future.result(30)
        except KafkaException as error:  # a benchmark's rest does no harm, but should not go unseen
            print(f"could not delete {name}: {error}")


def fast_producer(bootstrap: str) -> Producer:
    """A producer for backlogs."""
    return Producer(
        {
            "bootstrap.servers": bootstrap,
            "linger.ms": 20,
            "batch.size": 1_000_000,
            "queue.buffering.max.messages": 2_000_000,
            "acks": "all",
            "enable.idempotence": True,
        }
    )


def send(producer: Producer, topic: str, messages: Sequence[tuple[str, bytes]]) -> None:
    """Hand messages over, each to its symbol's partition."""
    for symbol, value in messages:
        while True:
            try:
                producer.produce(topic, value, key=symbol, partition=partition(symbol))
                break
            except BufferError:
                producer.poll(0.05)
    producer.poll(0)


def backlog(bootstrap: str, topic: str, plan: Plan) -> Reference:
    """Fill a topic with the whole plan and say what has to be found in it."""
    make_topics(bootstrap, topic)
    producer, closes = fast_producer(bootstrap), np.empty((plan.rows, plan.symbols))
    for row in rows(plan, closes):
        send(producer, topic, row)
    if producer.flush(120):
        raise RuntimeError("the backlog was not written")
    return reference(closes, Walk(plan.symbols).symbols)
