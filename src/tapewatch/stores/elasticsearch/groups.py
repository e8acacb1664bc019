"""Market-wide moves in Elasticsearch."""

import msgspec
from elasticsearch import Elasticsearch

from tapewatch.model.market import Group, MarketFindings, MarketMinute
from tapewatch.stores.elasticsearch.bulk import BulkWriter, Operation, Refresh
from tapewatch.stores.elasticsearch.indices import GROUPS, MINUTES
from tapewatch.stores.elasticsearch.search import equal, read_page
from tapewatch.stores.port import AlertQuery, GroupQuery

_encode = msgspec.json.Encoder().encode
_MOST_MINUTES = 100_000


def minute_id(minute: MarketMinute) -> str:
    """The document of a minute of a market."""
    return f"{minute.market} {minute.end_ns}"


class ElasticGroupStore:
    """A `GroupStore` on Elasticsearch. A document is found within the indices' refresh interval.

    A group is one document, its revision the document's external version; a minute is written once.
    """

    def __init__(
        self, client: Elasticsearch, writer: BulkWriter, *, prefix: str = "", refresh: Refresh = "false"
    ) -> None:
        """`ensure_indices` must have run. `refresh` "wait_for" returns only when what was written is found."""
        self._client, self._writer, self._refresh = client, writer, refresh
        self._groups, self._minutes = f"{prefix}{GROUPS}", f"{prefix}{MINUTES}"

    def put(self, found: MarketFindings) -> list[Group]:
        """As the port says, but that a crash may leave the later ones to the repeat."""
        writes = [
            Operation(
                self._minutes,
                minute_id(m),
                _encode({"market": m.market, "end_ns": m.end_ns, "minute": {"values": m}}),
                create=True,
            )
            for m in found.minutes
        ]
        writes += [Operation(self._groups, g.group_id, _encode(g), version=g.revision) for g in found.groups]
        fates = self._writer.write(writes, self._refresh) if writes else []
        after = fates[len(found.minutes) :]
        return [group for group, fate in zip(found.groups, after, strict=True) if fate == "written"]

    def groups(self, query: GroupQuery) -> list[Group]:
        """As the port says."""
        filters = equal(group_id=query.group_id, market=query.market, state=query.state)
        page = AlertQuery(
            from_ns=query.from_ns,
            to_ns=query.to_ns,
            newest_first=query.newest_first,
            limit=query.limit,
            after=query.after,
        )
        found = read_page(self._client, self._groups, filters, "opened_ns", "group_id", page)
        return [msgspec.convert(document, Group) for document in found]

    def minutes(self, market: str, from_ns: int, to_ns: int) -> list[MarketMinute]:
        """As the port says; at most 100,000."""
        page = AlertQuery(from_ns=from_ns, to_ns=to_ns, newest_first=False, limit=_MOST_MINUTES)
        found = read_page(self._client, self._minutes, equal(market=market), "end_ns", "market", page)
        return [msgspec.convert(document["minute"]["values"], MarketMinute) for document in found]
