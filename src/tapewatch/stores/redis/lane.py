"""Commands to one server, past the client: its locks, statistics and options take as long as the server does."""

from collections import deque
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from tapewatch.stores.redis.client import Client


class Lane:
    """Asks a server over connections of its own, that the client's pool makes; a Redis Cluster through its client.

    May be used by several threads, and after a fork if nothing was asked before it. Raises what the client raises, and
    tries nothing twice. About half of what a command costs through the client, where the server answers in 100 us.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._spare: deque[Any] = deque()  # connections; those of the library have no one type

    def ask(self, *command: str | bytes | int) -> Any:
        """What the server answers, as the library reads it."""
        if not isinstance(self._client, Redis):
            return self._client.execute_command(*command)  # type: ignore[no-untyped-call]  # so in the library
        connection = self._take(self._client)
        try:
            connection.send_command(*command)
            return connection.read_response()
        finally:
            self._spare.append(connection)  # one that failed has been closed: it is opened again when it is used

    def _take(self, client: Redis) -> Any:
        try:
            connection = self._spare.pop()
        except IndexError:
            return client.connection_pool.make_connection()
        try:
            stale = connection.should_reconnect() or connection.can_read()  # the server has closed it, if anything
        except (RedisError, OSError):
            stale = True
        if stale:
            connection.disconnect()
        return connection
