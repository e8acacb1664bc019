"""One reader of the change log for all who listen: each listener is a position, not a queue."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import msgspec
from anyio import to_thread
from prometheus_client import CollectorRegistry, Counter, Gauge

from tapewatch.model.errors import RetryableError
from tapewatch.stores.port import AlertQuery, AlertStore
from tapewatch.stores.query import facet_matches
from tapewatch.web.api.change_log import PAGE, Entry, PageReader, find_head, make_entry, seq_of, without_holes
from tapewatch.web.api.deps import ApiSettings

logger = logging.getLogger(__name__)
RING = 4_096  # newest changes kept in memory, for all listeners together
MAX_REPLAY = 20_000  # further back than this, a client is told to read the lists instead
FRAMES_A_SEND = 64
_ERROR_PAUSE_S = 1.0


class StreamFullError(Exception):
    """As many clients listen as the settings allow, or the server is about to stop."""


@dataclass(slots=True)
class Listener:
    """One client: the last change that it was given (or that its filters passed over), and what it wants."""

    seq: int
    id: str | None  # the event id of `seq`; None before the first change of all
    filters: AlertQuery
    greeting: bytes


class AlertStream:
    """Polls the change log while anybody listens, and wakes the listeners; lives on one event loop.

    Memory is bounded whatever the clients do: `RING` framed changes and a few cached pages, however many listen and
    however slowly they read. A listener that fell behind the ring is served from the pages; behind `MAX_REPLAY`, or
    where the log no longer reaches back, it gets `reset`.
    """

    def __init__(
        self,
        store: AlertStore,
        settings: ApiSettings,
        registry: CollectorRegistry,
        newest: Callable[[], int] | None = None,
    ) -> None:
        """`newest` gives the number of the newest change, where the log tells it faster than by being searched."""
        self._store, self._settings, self._newest = store, settings, newest
        self._pages = PageReader(store.changes)
        self._ring: dict[int, Entry] = {}
        self._head = 0  # the newest change seen
        self._head_id: str | None = None
        self._listeners = self._greeted = 0
        self._poller: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._news, self._nudge = asyncio.Event(), asyncio.Event()
        self._stopped = False
        self._clients = Gauge("tapewatch_stream_clients", "Clients that listen to alerts", registry=registry)
        self._sent = Counter("tapewatch_stream_events", "Alert events sent to clients", registry=registry)
        self._resets = Counter("tapewatch_stream_resets", "Times a client was told to start anew", registry=registry)
        self._errors = Counter("tapewatch_stream_read_errors", "Failed reads of the change log", registry=registry)

    def notify(self) -> None:
        """Something changed: look now, not at the next poll. Callable from any thread; costs nothing where nobody
        listens."""
        if self._loop is not None and self._listeners:
            self._loop.call_soon_threadsafe(self._nudge.set)

    def stop(self) -> None:
        """End every stream, so that the server can shut down; clients come back with their Last-Event-ID.

        Call it on the server's loop.
        """
        self._stopped = True
        if self._loop is not None:
            self._wake()

    async def join(self, last_event_id: str | None, filters: AlertQuery) -> Listener:
        """Take a client in; whoever got a Listener must call `leave` in the end. Raises StreamFullError, and
        RetryableError where the store does not answer."""
        if self._listeners >= self._settings.max_streams or self._stopped:
            raise StreamFullError
        self._count(+1)
        try:
            await self._start()
            return await self._position(last_event_id, filters)
        except BaseException:
            self.leave()
            raise

    def leave(self) -> None:
        """Count a client out; the last one ends the polling."""
        self._count(-1)
        if self._listeners == 0 and self._poller is not None:
            self._poller.cancel()
            self._poller = None

    async def frames(self, listener: Listener) -> AsyncIterator[bytes]:
        """Server-sent events for one client. Ends after `stream_max_age_s`, or when the server stops."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + self._settings.stream_max_age_s
        yield listener.greeting
        while self._running():
            news = self._news
            while listener.seq < self._head and self._running():
                frame = await self._advance(listener)
                if frame:
                    yield frame
                if loop.time() >= ends:
                    return
            left = ends - loop.time()
            if left <= 0:
                return
            if not await _happens(news, min(left, self._settings.stream_keep_alive_s)):
                # with the id, so that a client whose filters pass little does not resume from long ago
                yield b": keep-alive\n" + _id_line(listener.id) + b"\n"

    def _running(self) -> bool:
        return not self._stopped and self._poller is not None and not self._poller.done()

    def _count(self, by: int) -> None:
        self._listeners += by
        self._clients.set(self._listeners)

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    # Where a client begins

    async def _position(self, last_event_id: str | None, filters: AlertQuery) -> Listener:
        # clients that were cut off together come back spread over four seconds
        self._greeted += 1
        retry = b"retry: %d\n" % (1_000 + self._greeted * 370 % 4_000)
        listener = Listener(self._head, self._head_id, filters, b"")
        if last_event_id is None:
            listener.greeting = retry + _event("ready", self._head_id, {"resumed": False})
            return listener
        seq = seq_of(last_event_id)
        if seq is None or seq > self._head or not await self._holds(seq, last_event_id):
            self._resets.inc()
            why = "this server has no event with that Last-Event-ID any more"
            listener.greeting = retry + _event("reset", self._head_id, {"reason": why})
            return listener
        listener.seq, listener.id = seq, last_event_id
        listener.greeting = retry + _event("ready", last_event_id, {"resumed": True})
        return listener

    async def _holds(self, seq: int, event_id: str) -> bool:
        if self._head - seq > MAX_REPLAY:
            return False
        entries = [self._ring[seq]] if seq in self._ring else await self._pages.from_seq(seq)
        return bool(entries) and entries[0].id == event_id

    # What comes next for a client

    async def _advance(self, listener: Listener) -> bytes:
        """Move the listener on by a few changes; the frames of those that it wants, or `reset`, or nothing."""
        try:
            entries = await self._after(listener.seq)
        except RetryableError as error:
            self._errors.inc()
            logger.warning("could not read the change log for a client that is behind: %s", error)
            await asyncio.sleep(_ERROR_PAUSE_S)
            return b": waiting for the store\n\n"
        if not entries:
            self._resets.inc()
            listener.seq, listener.id = self._head, self._head_id
            return _event("reset", self._head_id, {"reason": "the log no longer has what came after your last event"})
        listener.seq, listener.id = entries[-1].seq, entries[-1].id
        wanted = [e.frame for e in entries if e.facet is not None and facet_matches(listener.filters, e.facet)]
        self._sent.inc(len(wanted))
        return b"".join(wanted)

    async def _after(self, seq: int) -> list[Entry]:
        """The next changes after `seq`, at most FRAMES_A_SEND; none where the log has a hole there."""
        if seq + 1 in self._ring:
            return [self._ring[n] for n in range(seq + 1, min(self._head, seq + FRAMES_A_SEND) + 1)]
        if self._head - seq > MAX_REPLAY:
            return []
        entries = (await self._pages.from_seq(seq + 1))[:FRAMES_A_SEND]
        return entries if without_holes(entries, seq) else []

    # The one reader

    async def _start(self) -> None:
        if self._poller is None or self._poller.done():
            self._loop = asyncio.get_running_loop()
            self._news, self._nudge = asyncio.Event(), asyncio.Event()
            self._found: asyncio.Future[None] = self._loop.create_future()
            self._poller = asyncio.create_task(self._run(self._found))
            self._poller.add_done_callback(self._ended)
        await asyncio.shield(self._found)

    async def _run(self, found: "asyncio.Future[None]") -> None:
        try:
            await to_thread.run_sync(self._seek)
        except RetryableError as error:
            found.set_exception(error)
            return
        found.set_result(None)
        while True:
            self._nudge.clear()
            try:
                entries = await to_thread.run_sync(self._read_news)
            except RetryableError as error:
                self._errors.inc()
                logger.warning("could not read the change log: %s", error)
                await asyncio.sleep(_ERROR_PAUSE_S)
                continue
            self._take(entries)
            if len(entries) < PAGE:
                await _happens(self._nudge, self._settings.stream_poll_s)

    def _seek(self) -> None:
        """Begin at the newest change; what came while nobody listened is read from the pages by whoever asks."""
        head = self._newest() if self._newest else find_head(self._store.changes, self._head)
        newest = [make_entry(seq, alert) for seq, alert in self._store.changes(head - 1, 1)] if head else []
        self._ring = {entry.seq: entry for entry in newest}
        self._head, self._head_id = (newest[0].seq, newest[0].id) if newest else (0, None)

    def _read_news(self) -> list[Entry]:
        return [make_entry(seq, alert) for seq, alert in self._store.changes(self._head, PAGE)]

    def _take(self, entries: list[Entry]) -> None:
        if not entries:
            return
        if not without_holes(entries, self._head):
            self._ring.clear()  # whoever is before the hole finds it in the pages, and is told
        self._ring.update((entry.seq, entry) for entry in entries)
        self._head, self._head_id = entries[-1].seq, entries[-1].id
        for seq in list(self._ring)[: max(0, len(self._ring) - RING)]:
            del self._ring[seq]
        self._wake()

    def _ended(self, poller: "asyncio.Task[None]") -> None:
        if poller.cancelled() or poller.exception() is None:
            return
        logger.error("the reader of the change log died; its clients are let go", exc_info=poller.exception())
        self._errors.inc()
        if not self._found.done():
            self._found.set_exception(RetryableError("the change log could not be read"))
        self._wake()


async def _happens(event: asyncio.Event, within_s: float) -> bool:
    try:
        async with asyncio.timeout(within_s):
            await event.wait()
    except TimeoutError:
        return False
    return True


def _id_line(event_id: str | None) -> bytes:
    return b"" if event_id is None else b"id: %s\n" % event_id.encode()


def _event(name: str, event_id: str | None, data: dict[str, object]) -> bytes:
    return _id_line(event_id) + b"event: %s\ndata: %s\n\n" % (name.encode(), msgspec.json.encode(data))
