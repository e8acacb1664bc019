"""In-memory adapters of every store's port: nothing survives the process. For tests, and for runs that keep nothing."""

from tapewatch.stores.memory.alerts import MemoryAlertStore
from tapewatch.stores.memory.cases import MemoryCaseStore
from tapewatch.stores.memory.dead_letters import MemoryDeadLetterStore
from tapewatch.stores.memory.groups import MemoryGroupStore
from tapewatch.stores.memory.history import MemoryTickHistory
from tapewatch.stores.memory.ledger import MemoryNoticeLedger
from tapewatch.stores.memory.shard_state import MemoryShardStore
from tapewatch.stores.memory.tasks import MemoryTaskStore

__all__ = [
    "MemoryAlertStore",
    "MemoryCaseStore",
    "MemoryDeadLetterStore",
    "MemoryGroupStore",
    "MemoryNoticeLedger",
    "MemoryShardStore",
    "MemoryTaskStore",
    "MemoryTickHistory",
]
