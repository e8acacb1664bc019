"""Elasticsearch adapters: alerts with signals and incidents, and cases with the audit.

Wiring: `client = connect(ElasticSettings(...))`, `ensure_indices(client)` once at start-up, then
`writer = BulkWriter(client, refused)` and the stores on both; `client.close()` at the end.
"""

from tapewatch.stores.elasticsearch.alerts import ElasticAlertStore
from tapewatch.stores.elasticsearch.bulk import BulkCounts, BulkWriter, Operation, Refused, Retries
from tapewatch.stores.elasticsearch.cases import ElasticCaseStore
from tapewatch.stores.elasticsearch.client import ElasticSettings, connect
from tapewatch.stores.elasticsearch.dead_letters import ElasticDeadLetterStore
from tapewatch.stores.elasticsearch.groups import ElasticGroupStore
from tapewatch.stores.elasticsearch.indices import ensure_indices, month_of, remove_old_months
from tapewatch.stores.elasticsearch.tasks import ElasticTaskStore
from tapewatch.stores.elasticsearch.ticks import ElasticBars, ElasticTickWriter

__all__ = [
    "BulkCounts",
    "BulkWriter",
    "ElasticAlertStore",
    "ElasticBars",
    "ElasticCaseStore",
    "ElasticDeadLetterStore",
    "ElasticGroupStore",
    "ElasticSettings",
    "ElasticTaskStore",
    "ElasticTickWriter",
    "Operation",
    "Refused",
    "Retries",
    "connect",
    "ensure_indices",
    "month_of",
    "remove_old_months",
]
