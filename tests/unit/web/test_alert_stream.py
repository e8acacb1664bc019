import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from tapewatch.model.alerts import Alert
from tapewatch.model.errors import RetryableError
from tapewatch.stores.memory.alerts import MemoryAlertStore
from tapewatch.stores.port import AlertQuery
from tapewatch.web.api import alert_stream
from tapewatch.web.api.alert_stream import AlertStream, StreamFullError
from tapewatch.web.api.deps import ApiSettings
from tests.factories import make_alert

EVERYTHING = AlertQuery()
QUICK = ApiSettings(stream_poll_s=0.005, stream_keep_alive_s=0.03, stream_max_age_s=5.0)


def numbered(first: int, count: int, **fields: Any) -> list[Alert]:
    return [make_alert(onset_k=k, **fields) for k in range(first, first + count)]


def make_stream(store: MemoryAlertStore, settings: ApiSettings = QUICK) -> tuple[AlertStream, CollectorRegistry]:
    registry = CollectorRegistry()
    return AlertStream(store, settings, registry), registry


class Client:
    """What a browser's EventSource does: it keeps events and the last id."""

    def __init__(self, frames: AsyncIterator[bytes]) -> None:
        self._frames = frames
        self.last_id: str | None = None
        self.events: list[tuple[str, str]] = []

    async def read_until(self, enough: Callable[["Client"], bool]) -> None:
        async with asyncio.timeout(5):
            while not enough(self):
                self._take((await anext(self._frames)).decode())

    def _take(self, chunk: str) -> None:
        for block in chunk.split("\n\n"):
            fields = dict(line.split(": ", 1) for line in block.split("\n") if line and not line.startswith(":"))
            self.last_id = fields.get("id", self.last_id)
            if "data" in fields:
                self.events.append((fields["event"], fields["data"]))

    def alerts(self) -> list[str]:
        return [data for event, data in self.events if event == "alert"]

    def names(self) -> list[str]:
        return [event for event, _ in self.events]


@asynccontextmanager
async def listening(
    stream: AlertStream, last_id: str | None = None, filters: AlertQuery = EVERYTHING
) -> AsyncIterator[Client]:
    listener = await stream.join(last_id, filters)
    frames = stream.frames(listener)
    try:
        yield Client(frames)
    finally:
        await frames.aclose()  # type: ignore[attr-defined]  # it is an async generator
        stream.leave()


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scenario)


def test_without_an_id_the_stream_begins_now_and_gives_each_revision_once_in_order() -> None:
    async def scenario() -> None:
        store = MemoryAlertStore()
        store.upsert(numbered(0, 10), [])
        stream, _ = make_stream(store)
        async with listening(stream) as client:
            await client.read_until(lambda c: c.names() == ["ready"])
            news = numbered(10, 300)
            store.upsert(news, [])
            store.upsert(news, [])
            await client.read_until(lambda c: len(c.alerts()) >= 300)
            assert [a.alert_id in data for a, data in zip(news, client.alerts(), strict=True)] == [True] * 300

    run(scenario())


@pytest.mark.parametrize("missed", [0, 1, 700, 6_000])
def test_who_was_cut_off_resumes_without_loss_or_repeat(missed: int) -> None:
    async def scenario() -> None:
        store = MemoryAlertStore()
        store.upsert(numbered(0, 5), [])
        stream, _ = make_stream(store)
        async with listening(stream) as client:
            await client.read_until(lambda c: c.names() == ["ready"])
        behind = numbered(5, missed)
        store.upsert(behind, [])
        async with listening(stream, client.last_id) as again:
            await again.read_until(lambda c: len(c.alerts()) >= missed and bool(c.names()))
            assert again.events[0] == ("ready", '{"resumed":true}')
            assert len(again.alerts()) == missed
            assert all(a.alert_id in data for a, data in zip(behind, again.alerts(), strict=True))

    run(scenario())


def test_an_id_that_is_not_of_this_log_is_told_to_start_anew_and_then_gets_what_comes() -> None:
    async def scenario() -> None:
        store, other = MemoryAlertStore(), MemoryAlertStore()
        store.upsert(numbered(0, 20), [])
        other.upsert(numbered(100, 8), [])
        async with listening(make_stream(other)[0]) as stranger:
            await stranger.read_until(lambda c: c.names() == ["ready"])
        stream, registry = make_stream(store)
        for n, last_id in enumerate((stranger.last_id, "rubbish", "é")):
            async with listening(stream, last_id) as client:
                await client.read_until(lambda c: c.names() == ["reset"])
                store.upsert(numbered(1_000 + n, 1), [])
                await client.read_until(lambda c: len(c.alerts()) == 1)
        assert registry.get_sample_value("tapewatch_stream_resets_total") == 3

    run(scenario())


class Forgetful(MemoryAlertStore):
    """Its log no longer has the entries up to `gone`."""

    gone = 0

    def changes(self, after: int, limit: int) -> list[tuple[int, Alert]]:
        return super().changes(max(after, self.gone), limit)


def test_where_the_log_no_longer_reaches_back_the_client_is_told() -> None:
    async def scenario() -> None:
        store = Forgetful()
        store.upsert(numbered(0, 10), [])
        stream, _ = make_stream(store)
        async with listening(stream) as client:
            await client.read_until(lambda c: c.names() == ["ready"])
        store.upsert(numbered(10, 5_000), [])
        store.gone = 2_000
        async with listening(stream, client.last_id) as again:
            await again.read_until(lambda c: "reset" in c.names())
            assert again.alerts() == []
            store.upsert(numbered(9_000, 1), [])
            await again.read_until(lambda c: len(c.alerts()) == 1)

    run(scenario())


def test_who_reads_too_slowly_is_served_from_the_log_and_memory_stays_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alert_stream, "RING", 50)

    async def scenario() -> None:
        store = MemoryAlertStore()
        stream, _ = make_stream(store)
        async with listening(stream) as slow, listening(stream) as quick:
            await slow.read_until(lambda c: c.names() == ["ready"])
            store.upsert(numbered(0, 2_000), [])
            await quick.read_until(lambda c: len(c.alerts()) >= 2_000)
            assert len(stream._ring) <= 50
            await slow.read_until(lambda c: len(c.alerts()) >= 2_000)
            assert slow.alerts() == quick.alerts()

    run(scenario())


def test_who_is_hopelessly_behind_is_told_to_start_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alert_stream, "RING", 50)
    monkeypatch.setattr(alert_stream, "MAX_REPLAY", 300)

    async def scenario() -> None:
        store = MemoryAlertStore()
        stream, _ = make_stream(store)
        async with listening(stream) as slow, listening(stream) as quick:
            await slow.read_until(lambda c: c.names() == ["ready"])
            for k in range(10):
                store.upsert(numbered(k * 100, 100), [])
                await quick.read_until(lambda c, k=k: len(c.alerts()) >= (k + 1) * 100)  # type: ignore[misc]  # k=k
            await slow.read_until(lambda c: "reset" in c.names())
            assert slow.alerts() == []

    run(scenario())


def test_filters_pass_only_what_fits_and_the_position_moves_on_with_keep_alives() -> None:
    async def scenario() -> None:
        store = MemoryAlertStore()
        store.upsert(numbered(0, 1), [])
        stream, _ = make_stream(store)
        async with listening(stream, filters=AlertQuery(symbol="BTC/USDT", severity=["high"])) as client:
            await client.read_until(lambda c: c.names() == ["ready"])
            began = client.last_id
            store.upsert(numbered(1, 50), [])
            await client.read_until(lambda c: c.last_id != began)
            assert client.alerts() == []
            store.upsert(numbered(0, 2, venue="binance", symbol="BTC/USDT"), [])
            await client.read_until(lambda c: len(c.alerts()) == 2)

    run(scenario())


def test_a_notification_is_seen_at_once_and_not_at_the_next_poll() -> None:
    async def scenario() -> None:
        store = MemoryAlertStore()
        stream, _ = make_stream(store, ApiSettings(stream_poll_s=60.0, stream_keep_alive_s=60.0))
        async with listening(stream) as client:
            await client.read_until(lambda c: c.names() == ["ready"])
            await asyncio.sleep(0.02)  # the reader has looked once and waits
            store.upsert(numbered(0, 1), [])
            await asyncio.to_thread(stream.notify)
            await client.read_until(lambda c: len(c.alerts()) == 1)

    run(scenario())


class Flaky(MemoryAlertStore):
    failing = False
    reads = 0

    def changes(self, after: int, limit: int) -> list[tuple[int, Alert]]:
        self.reads += 1
        if self.failing:
            raise RetryableError("locked")
        return super().changes(after, limit)


def test_a_busy_store_delays_the_stream_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alert_stream, "_ERROR_PAUSE_S", 0.01)

    async def scenario() -> None:
        store = Flaky()
        stream, registry = make_stream(store)
        async with listening(stream) as client:
            await client.read_until(lambda c: c.names() == ["ready"])
            store.failing = True
            store.upsert(numbered(0, 3), [])
            await asyncio.sleep(0.05)
            store.failing = False
            await client.read_until(lambda c: len(c.alerts()) == 3)
        assert (registry.get_sample_value("tapewatch_stream_read_errors_total") or 0) > 0

    run(scenario())


def test_a_store_that_is_away_at_the_start_is_an_error_to_the_caller_and_leaves_no_client_behind() -> None:
    async def scenario() -> None:
        store = Flaky()
        store.failing = True
        stream, registry = make_stream(store)
        with pytest.raises(RetryableError):
            await stream.join(None, EVERYTHING)
        assert registry.get_sample_value("tapewatch_stream_clients") == 0
        store.failing = False
        async with listening(stream) as client:
            await client.read_until(lambda c: c.names() == ["ready"])

    run(scenario())


def test_a_store_that_breaks_lets_the_clients_go_so_that_they_come_back() -> None:
    class Broken(Flaky):
        def changes(self, after: int, limit: int) -> list[tuple[int, Alert]]:
            if self.failing:
                raise RuntimeError("a defect")
            return super().changes(after, limit)

    async def scenario() -> None:
        store = Broken()
        stream, registry = make_stream(store)
        async with listening(stream) as client:
            await client.read_until(lambda c: c.names() == ["ready"])
            store.failing = True
            with pytest.raises(StopAsyncIteration):
                await client.read_until(lambda c: False)
        assert registry.get_sample_value("tapewatch_stream_read_errors_total") == 1

    run(scenario())


def test_nobody_is_let_in_beyond_the_limit_and_who_leaves_makes_room() -> None:
    async def scenario() -> None:
        stream, registry = make_stream(MemoryAlertStore(), ApiSettings(max_streams=2))
        async with listening(stream):
            async with listening(stream):
                with pytest.raises(StreamFullError):
                    await stream.join(None, EVERYTHING)
            async with listening(stream):
                assert registry.get_sample_value("tapewatch_stream_clients") == 2
        assert registry.get_sample_value("tapewatch_stream_clients") == 0

    run(scenario())


def test_the_store_is_read_once_for_all_clients_and_not_at_all_for_none() -> None:
    async def scenario() -> None:
        store = Flaky()
        store.upsert(numbered(0, 100), [])
        stream, _ = make_stream(store, ApiSettings(stream_poll_s=60.0))
        for _ in range(500):
            await stream.join(None, EVERYTHING)
        await asyncio.sleep(0.02)
        assert store.reads < 30, "what one client costs: finding the newest change, and one look for news"

    async def nobody() -> None:
        store = Flaky()
        stream, _ = make_stream(store)  # which looks every 5 ms
        for _ in range(500):
            await stream.join(None, EVERYTHING)
        joined = store.reads
        async with asyncio.timeout(5):
            while store.reads <= joined + 3:
                await asyncio.sleep(0.005)
        for _ in range(500):
            stream.leave()
        await asyncio.sleep(0.1)  # for the look that was under way
        idle = store.reads
        await asyncio.sleep(0.1)
        assert store.reads == idle

    run(nobody())
    run(scenario())


def test_a_stream_ends_when_it_is_old_or_the_server_stops() -> None:
    async def scenario() -> None:
        aged, _ = make_stream(MemoryAlertStore(), ApiSettings(stream_max_age_s=0.05, stream_keep_alive_s=0.01))
        async with listening(aged) as client:
            with pytest.raises(StopAsyncIteration):
                await client.read_until(lambda c: False)
        stopped, _ = make_stream(MemoryAlertStore(), ApiSettings(stream_keep_alive_s=60.0))
        async with listening(stopped) as client:
            await client.read_until(lambda c: c.names() == ["ready"])
            stopped.stop()
            with pytest.raises(StopAsyncIteration):
                await client.read_until(lambda c: False)
            with pytest.raises(StreamFullError):
                await stopped.join(None, EVERYTHING)

    run(scenario())
