"""What the hand-written peers share: everything comes from the environment; clients set as fast as they go."""

import json
import os
import time
from pathlib import Path

BOOT = os.environ["BOOTSTRAP"]
IN, OUT, GROUP = os.environ["IN"], os.environ["OUT"], os.environ["GROUP"]
LINGER_MS = int(os.environ.get("LINGER_MS", "5"))
WINDOW, THRESHOLD, FLOOR = 20, 6.0, 1e-9

CONSUMER = {
    "bootstrap.servers": BOOT,
    "group.id": GROUP,
    "auto.offset.reset": "earliest",
    "enable.auto.commit": False,
    "fetch.min.bytes": 1,
    "fetch.queue.backoff.ms": 5,
    "fetch.message.max.bytes": 8 << 20,
    "fetch.max.bytes": 64 << 20,
    "queued.min.messages": 200_000,
    "queued.max.messages.kbytes": 131_072,
}
PRODUCER = {
    "bootstrap.servers": BOOT,
    "linger.ms": LINGER_MS,
    "acks": "all",
    "enable.idempotence": True,
    "batch.size": 262_144,
    "queue.buffering.max.messages": 1_000_000,
}


def note_first() -> None:
    """Write down when the first record was processed."""
    file = Path(os.environ["FIRSTFILE"])
    if not file.exists():
        file.write_text(json.dumps({"t": time.time()}))
