"""The fastest loop that one would write by hand: msgspec into columns, one Numba kernel; nothing is kept."""

import signal
import time
from typing import Any

import msgspec
import numba
import numpy as np
from confluent_kafka import Consumer, Producer

from benchmarks.cluster.peers.settings import CONSUMER, IN, OUT, PRODUCER, THRESHOLD, WINDOW, note_first


class Tick(msgspec.Struct):
    symbol: str
    timestamp: str
    close: float


class Ids(dict[str, int]):
    """Numbers symbols as they come."""

    def __missing__(self, key: str) -> int:
        self[key] = number = len(self)
        return number


decode_lines = msgspec.json.Decoder(Tick).decode_lines
encode = msgspec.json.Encoder().encode
going = True


def stop(*_: object) -> None:
    global going  # noqa: PLW0603 - a script's loop
    going = False


@numba.njit(nogil=True)
def kernel(ids: Any, x: Any, ring: Any, count: Any, total: Any, squares: Any, z: Any) -> None:  # Numba's arrays
    width = ring.shape[1]
    for i in range(x.size):
        k, v = ids[i], x[i]
        j = count[k] % width
        z[i] = 0.0
        if count[k] >= width:
            mean = total[k] / width
            variance = squares[k] / width - mean * mean
            z[i] = (v - mean) / (np.sqrt(variance) if variance > 1e-18 else 1e-9)
            old = ring[k, j]
            total[k] -= old
            squares[k] -= old * old
        ring[k, j] = v
        total[k] += v
        squares[k] += v * v
        count[k] += 1


def main() -> None:
    signal.signal(signal.SIGTERM, stop)
    room = 65_536
    state = np.zeros((room, WINDOW)), np.zeros(room, np.int64), np.zeros(room), np.zeros(room)
    kernel(np.zeros(1, np.int64), np.ones(1), *state, np.zeros(1))
    for part in state:
        part[:] = 0
    consumer, producer, ids = Consumer(CONSUMER), Producer(PRODUCER), Ids()
    consumer.subscribe([IN])
    committed, dirty, first = time.monotonic(), False, True
    while going:
        message = consumer.poll(0.1)
        if message is not None:
            if first:
                note_first()
                first = False
            batch = [message, *consumer.consume(10_000, 0)]
            ticks = decode_lines(b"\n".join([m.value() or b"" for m in batch if m.error() is None]))
            x = np.fromiter([t.close for t in ticks], np.float64, len(ticks))
            z = np.empty(len(ticks))
            kernel(np.fromiter([ids[t.symbol] for t in ticks], np.int64, len(ticks)), x, *state, z)
            for i in np.flatnonzero(np.abs(z) >= THRESHOLD).tolist():
                t = ticks[i]
                told = {"symbol": t.symbol, "timestamp": t.timestamp, "price": t.close, "z": float(z[i])}
                producer.produce(OUT, encode(told), key=t.symbol)
            dirty = True
        producer.poll(0)
        if dirty and time.monotonic() - committed > 1.0:
            producer.flush(10)
            consumer.commit(asynchronous=True)
            committed, dirty = time.monotonic(), False
    producer.flush(10)
    consumer.close()


if __name__ == "__main__":
    main()
