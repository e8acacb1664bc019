"""The alert store's change log as the stream reads it: numbered entries, in pages that many clients share."""

import asyncio
import base64
import binascii
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import msgspec
from anyio import to_thread

from tapewatch.model.alerts import Alert
from tapewatch.stores.query import Facet, alert_facet

ChangeSource = Callable[[int, int], Sequence[tuple[int, Alert | None]]]
PAGE = 500
_CACHED_PAGES = 32


@dataclass(frozen=True, slots=True)
class Entry:
    """One change, framed once for all clients. `id` is the event id that resumes after it; without a facet nothing is
    told."""

    seq: int
    id: str
    facet: Facet | None
    frame: bytes


def make_entry(seq: int, alert: Alert | None) -> Entry:
    event_id = _event_id(seq, alert)
    if alert is None:
        return Entry(seq, event_id, None, b"")
    frame = b"id: %s\nevent: alert\ndata: %s\n\n" % (event_id.encode(), msgspec.json.encode(alert))
    return Entry(seq, event_id, alert_facet(alert), frame)


def _event_id(seq: int, alert: Alert | None) -> str:
    """Number and content: an id of another database, or of one that began anew, does not pass for one of this log."""
    content = f"{alert.alert_id}:{alert.revision}" if alert is not None else "none"
    check = hashlib.blake2b(f"{seq}:{content}".encode(), digest_size=6).digest()
    return base64.urlsafe_b64encode(seq.to_bytes(8, "big") + check).rstrip(b"=").decode()


def seq_of(event_id: str) -> int | None:
    """The number in an event id; None where it is not one of ours. Whether its content fits is for the log to say."""
    try:
        raw = base64.b64decode(event_id + "=" * (-len(event_id) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    seq = int.from_bytes(raw[:8], "big")
    return seq if len(raw) == 14 and 0 < seq < 1 << 62 else None


def find_head(read: ChangeSource, known: int) -> int:
    """The number of the newest change (0 where the log holds none), in O(log n) reads of one entry.

    `known` is a number that the log once reached: the search begins there.
    """
    if known and not read(known - 1, 1):
        known = 0  # the log is another one than it was
    low, step = known, 1
    while read(low + step, 1):
        low, step = low + step, step * 2
    # the head lies in [low, low + step]: something is behind low (or low is where we began), nothing behind low + step
    high = low + step
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if read(middle, 1) else (low, middle)
    return low


class PageReader:
    """Reads the log in pages of `PAGE` entries at fixed places. Full pages are kept, and clients that ask for one page
    at the same time share one read: 500 clients that come back together cost what one does."""

    def __init__(self, read: ChangeSource) -> None:
        self._read = read
        self._full: OrderedDict[int, list[Entry]] = OrderedDict()
        self._reading: dict[int, asyncio.Task[list[Entry]]] = {}

    async def from_seq(self, seq: int) -> list[Entry]:
        """The entries of `seq`'s page from `seq` on; may raise what the store raises."""
        number = (seq - 1) // PAGE
        page = self._full.get(number)
        if page is None:
            task = self._reading.get(number)
            if task is None:
                task = asyncio.create_task(self._load(number))
                self._reading[number] = task
                task.add_done_callback(lambda _: self._reading.pop(number, None))
            # shielded: one client that leaves must not end the read of the others
            page = await asyncio.shield(task)
        return [entry for entry in page if entry.seq >= seq]

    async def _load(self, number: int) -> list[Entry]:
        page = await to_thread.run_sync(self._entries, number)
        if len(page) == PAGE:
            self._full[number] = page
            while len(self._full) > _CACHED_PAGES:
                self._full.popitem(last=False)
        return page

    def _entries(self, number: int) -> list[Entry]:
        last = (number + 1) * PAGE
        return [make_entry(seq, alert) for seq, alert in self._read(number * PAGE, PAGE) if seq <= last]


def without_holes(entries: list[Entry], after: int) -> bool:
    """Whether the entries are the ones right after number `after`, none missing."""
    return all(b.seq == a.seq + 1 for a, b in pairwise(entries)) and (not entries or entries[0].seq == after + 1)
