"""Notes of which batches were begun and never ended: how a batch that kills is told from one that is slow."""

from tapewatch.stores.redis.client import Client, answering

_KEPT_S = 24 * 3600


class RedisAttempts:
    """The `Attempts` of the cluster's protocol: one hash a shard, `start:end` to how many began and have not ended."""

    def __init__(self, client: Client, prefix: str = "tapewatch") -> None:
        self._client, self._prefix = client, prefix

    def begin(self, shard: str, start: int, end: int) -> None:
        """One more has begun."""
        with answering():
            self._client.hincrby(self._key(shard), f"{start}:{end}", 1)
            self._client.expire(self._key(shard), _KEPT_S)

    def ended(self, shard: str, start: int, end: int) -> None:
        """One of them has ended."""
        with answering():
            self._client.hincrby(self._key(shard), f"{start}:{end}", -1)

    def deaths(self, shard: str) -> list[tuple[int, int, int]]:
        """(start, end, how many began and have not ended)."""
        with answering():
            found: dict[bytes, bytes] = self._client.hgetall(self._key(shard))  # type: ignore[assignment]  # not asynchronous
        ranges = ((*map(int, name.split(b":")), int(count)) for name, count in found.items())
        return [(start, end, count) for start, end, count in ranges if count > 0]

    def forget(self, shard: str) -> None:
        """All of the shard's are past."""
        with answering():
            self._client.delete(self._key(shard))

    def _key(self, shard: str) -> str:
        return f"{self._prefix}:{{{shard}}}:tries"
