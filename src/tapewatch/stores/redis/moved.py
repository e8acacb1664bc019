"""Hears of commits, so that a bridge need not ask."""

import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from redis.client import PubSub
from redis.exceptions import RedisError

from tapewatch.stores.port import Told
from tapewatch.stores.redis.client import Client, answering
from tapewatch.stores.redis.shard_state import RedisShardStore


class Moves:
    """The commits of some shards, as they happen. For one thread.

    Nothing is kept for who does not listen: what is published while the connection is down is lost. It is a reason to
    look earlier, never the only one.
    """

    def __init__(self, client: Client, store: RedisShardStore) -> None:
        self._client = client
        self._store = store
        self._shards: dict[bytes, str] = {}
        self._pubsub: PubSub | None = None
        self.reconnects = 0
        """How often the connection was lost."""

    def watch(self, shards: Iterable[str]) -> None:
        """Listen to these shards, and to no others, from now on. Raises RetryableError."""
        self._shards = {self._store.channel(shard).encode(): shard for shard in shards}
        self._drop()
        self._listening()

    def wait(self, timeout_s: float) -> list[Told]:
        """Block until a watched shard moves, at most `timeout_s`; then all that was told, in order.

        Empty where nothing was. Raises RetryableError where the server does not answer; the next call connects again.
        """
        moved: list[Told] = []
        if not self._shards:
            time.sleep(timeout_s)
            return moved
        try:
            with answering():
                self._hear(time.monotonic() + timeout_s, moved)
        except BaseException:
            self._drop()
            self.reconnects += 1
            raise
        return moved

    def close(self) -> None:
        """Give the connection back."""
        self._drop()

    def _listening(self) -> PubSub:
        if self._pubsub is None:
            pubsub = self._client.pubsub()  # type: ignore[no-untyped-call]  # so in the library
            if self._shards:
                with answering():
                    pubsub.subscribe(*self._shards)
            self._pubsub = pubsub
        return self._pubsub

    def _hear(self, until: float, moved: list[Told]) -> None:
        listening = self._listening()
        while True:
            left = 0.0 if moved else max(until - time.monotonic(), 0.0)
            message = listening.get_message(timeout=left)
            if message is not None:
                self._note(message, moved)
            elif moved or time.monotonic() >= until:
                return

    def _note(self, message: dict[str, Any], moved: list[Told]) -> None:
        shard = self._shards.get(message["channel"])
        if message["type"] == "message" and shard is not None:
            moved.append(self._store.told(shard, message["data"]))

    def _drop(self) -> None:
        pubsub, self._pubsub = self._pubsub, None
        if pubsub is not None:
            with suppress(RedisError):  # it may be broken: that is why it is dropped
                pubsub.close()
