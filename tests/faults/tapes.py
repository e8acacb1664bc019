"""A market of 64 symbols with planted anomalies as messages, whole or damaged, written to Kafka at a pace."""

import itertools
import json
import math
import random
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import NamedTuple

from tapewatch.feeds.simulator import Plan, SimulatorConfig, market
from tapewatch.model.ticks import FeedBatch, Kind
from tapewatch.tape.codec import encode_ticks
from tapewatch.tape.kafka_publisher import KafkaPublisher
from tests.faults.stack import PARTITIONS, Cluster

SYMBOLS = 64
RECORDS_A_DAY = 59_000
"""At least so many records has a simulated day."""
DELIVERY_S = 120.0
"""For how long a message is offered to a broker that is away: the feed outlives every outage."""
DEADLY = "CRASH"
"""Symbols that begin so make the workers of `doomed.py` fail."""


class Message(NamedTuple):
    """A message of the tape; one without a key is a heartbeat, and goes to every partition."""

    key: bytes | None
    value: bytes


def messages(records: int, seed: int = 16) -> Iterator[Message]:
    """The first so many records of a market, and on to the heartbeat after them. Half of the symbols are
    stocks; with this seed those fall all at once on the second day."""
    plan = Plan(rate=2.0, times=(2.0, 4.0), min_distance_min=90)
    days = math.ceil(records / RECORDS_A_DAY)
    feed = market(SimulatorConfig(seed=seed, stocks=SYMBOLS // 2, crypto=SYMBOLS // 2, days=days, plan=plan))
    tape = _encoded(feed.batches(0))
    yield from itertools.islice(tape, records)
    for message in tape:
        yield message
        if message.key is None:
            return


def lasting(tape: Iterable[Message], least: int, enough: threading.Event) -> Iterator[Message]:
    """At least so many of these messages, more until it is enough, and on to the heartbeat after them."""
    for n, message in enumerate(tape):
        yield message
        if message.key is None and n >= least and enough.is_set():
            return


def _encoded(batches: Iterable[FeedBatch]) -> Iterator[Message]:
    for batch in batches:
        names = [i.symbol.encode() for i in batch.ticks.symbols]
        beats = (batch.ticks.kind == Kind.HEARTBEAT).tolist()
        ids = batch.ticks.symbol_id.tolist()
        for beat, symbol, value in zip(beats, ids, encode_ticks(batch.ticks), strict=True):
            yield Message(None if beat else names[symbol], value)


class Damage(NamedTuple):
    """How many of a tape's messages are bad, and how."""

    malformed: int = 50
    raising: int = 3
    killing: int = 2
    ahead: int = 10
    shuffled: float = 0.05
    late: float = 0.001
    within: int = 4_000  # 2 s at 2,000 a second

    @property
    def dead(self) -> int:
        return self.malformed + self.raising + self.killing


_MALFORMED = (
    lambda text: text[:-9],
    lambda text: text.replace('"close":', '"clos":'),
    lambda text: text.replace('"low":', '"low":"low",":":'),
    lambda text: text.replace('"timestamp":"20', '"timestamp":"on '),
    lambda text: "[1, 2, 3]",
)
"""Cut off, a field missing, text for a number, no time, no object."""


def damaged(whole: list[Message], damage: Damage, chance: random.Random) -> list[Message]:
    """The same tape with bad records put between, ticks moved back by up to `within` places, and a few by far more.
    Heartbeats stay where they are, and nothing is damaged in the first and the last tenth."""
    ticks = [i for i, m in enumerate(whole) if m.key is not None]
    middle = ticks[len(ticks) // 10 : -len(ticks) // 10]
    places = {float(i): m for i, m in enumerate(whole)}
    for i in chance.sample(middle, int(damage.shuffled * len(middle))):
        places[i + chance.uniform(1, damage.within)] = places.pop(float(i))
    for i in chance.sample(sorted(i for i in middle if float(i) in places), int(damage.late * len(middle))):
        places[i + chance.uniform(5, 10) * damage.within] = places.pop(float(i))
    added = [_malformed(whole[i], n) for n, i in enumerate(chance.sample(middle, damage.malformed))]
    added += [_ahead(whole[i]) for i in chance.sample(middle, damage.ahead)]
    places |= {chance.choice(middle) + chance.random(): message for message in added}
    for n in range(damage.raising + damage.killing):
        kind = "RAISE" if n < damage.raising else "KILL"
        source = whole[middle[n * len(middle) // (damage.raising + damage.killing)]]
        places[middle[(n + 1) * len(middle) // 7] + 0.5] = _deadly(source, f"{DEADLY}{kind}{n}")
    return [places[at] for at in sorted(places)]


def _malformed(message: Message, n: int) -> Message:
    value = _MALFORMED[n % len(_MALFORMED)](message.value.decode())
    return Message(message.key, value.encode())


def _ahead(message: Message) -> Message:
    record = json.loads(message.value)
    record["timestamp"] = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Message(message.key, json.dumps(record).encode())


def _deadly(message: Message, symbol: str) -> Message:
    return Message(symbol.encode(), json.dumps({**json.loads(message.value), "symbol": symbol}).encode())


class Producer(threading.Thread):
    """Writes messages to the tape, evenly, so many a second; `failed` is why it could not."""

    def __init__(self, cluster: Cluster, tape: Iterable[Message], rate: float) -> None:
        super().__init__(daemon=True)
        self._cluster, self._tape, self._rate = cluster, iter(tape), rate
        self.failed: BaseException | None = None

    def run(self) -> None:
        try:
            self._write()
        except BaseException as error:  # noqa: BLE001 - told to the test
            self.failed = error

    def _write(self) -> None:
        publisher = KafkaPublisher(replace(self._cluster.settings, delivery_s=DELIVERY_S))
        began, written, step = time.monotonic(), 0, max(1, int(self._rate / 4))
        while chunk := list(itertools.islice(self._tape, step)):
            for beat, run in groupby(chunk, lambda message: message.key is None):
                keys, values = zip(*run, strict=True)
                for partition in range(PARTITIONS) if beat else (-1,):
                    publisher.send(self._cluster.topic, keys, values, partition=partition)
            written += len(chunk)
            time.sleep(max(0.0, began + written / self._rate - time.monotonic()))
        publisher.close()
