"""A loop as one would write it by hand: batches, msgspec, a deque and running sums a symbol; nothing is kept.

At least once (offsets follow the flush), but a crash loses every window.
"""

import math
import signal
import time
from collections import deque

import msgspec
from confluent_kafka import Consumer, Producer

from benchmarks.cluster.peers.settings import CONSUMER, FLOOR, GROUP, IN, OUT, PRODUCER, THRESHOLD, WINDOW, note_first


class Tick(msgspec.Struct):
    symbol: str
    timestamp: str
    close: float


class Window:
    """Closes of one symbol."""

    __slots__ = ("closes", "squares", "total")

    def __init__(self) -> None:
        self.closes: deque[float] = deque()
        self.total = self.squares = 0.0


decode = msgspec.json.Decoder(Tick).decode
encode = msgspec.json.Encoder().encode
going = True


def stop(*_: object) -> None:
    global going  # noqa: PLW0603 - a script's loop
    going = False


def main() -> None:
    signal.signal(signal.SIGTERM, stop)
    consumer, producer = Consumer(CONSUMER), Producer(PRODUCER)
    consumer.subscribe([IN])
    windows: dict[str, Window] = {}
    committed, dirty, first = time.monotonic(), False, True
    while going:
        message = consumer.poll(0.1)
        if message is not None:
            if first:
                note_first()
                first = False
            for m in [message, *consumer.consume(10_000, 0)]:
                if m.error() is None:
                    judge(decode(m.value() or b""), windows, producer)
            dirty = True
        producer.poll(0)
        if dirty and time.monotonic() - committed > 1.0:
            producer.flush(10)
            consumer.commit(asynchronous=True)
            committed, dirty = time.monotonic(), False
    producer.flush(10)
    consumer.close()


def judge(tick: Tick, windows: dict[str, Window], producer: Producer) -> None:
    x = tick.close
    window = windows.get(tick.symbol)
    if window is None:
        window = windows[tick.symbol] = Window()
    closes = window.closes
    if len(closes) == WINDOW:
        mean = window.total / WINDOW
        variance = window.squares / WINDOW - mean * mean
        z = (x - mean) / (math.sqrt(variance) if variance > 1e-18 else FLOOR)
        if abs(z) >= THRESHOLD:
            told = {"symbol": tick.symbol, "timestamp": tick.timestamp, "price": x, "z": z}
            producer.produce(OUT, encode(told), key=tick.symbol)
        old = closes.popleft()
        window.total -= old
        window.squares -= old * old
    closes.append(x)
    window.total += x
    window.squares += x * x


if __name__ == "__main__":
    assert GROUP
    main()
