"""Redis adapter of the shard state, for Redis 7 or newer and Redis Cluster. The outbox lives with the state.

Wiring: `client = connect(url)`, `check_servers(client, queue_client)`, then `RedisShardStore(client)`; a bridge also
keeps a `Moves` and asks `server_id` now and then.
"""

from tapewatch.stores.redis.attempts import RedisAttempts
from tapewatch.stores.redis.check import check_servers, server_id
from tapewatch.stores.redis.client import Client, connect
from tapewatch.stores.redis.moved import Moves
from tapewatch.stores.redis.shard_state import RedisShardStore

__all__ = ["Client", "Moves", "RedisAttempts", "RedisShardStore", "check_servers", "connect", "server_id"]
