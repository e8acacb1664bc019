"""Records that could not be read, in Elasticsearch: for those who look; the topic of dead letters has them whole."""

from collections.abc import Sequence

import msgspec
from elasticsearch import Elasticsearch

from tapewatch.model.ticks import DeadLetter
from tapewatch.stores.elasticsearch.bulk import BulkWriter, Operation
from tapewatch.stores.elasticsearch.client import answering
from tapewatch.stores.elasticsearch.indices import DEAD_LETTERS

_PAGE = 5_000


class _Numbered(DeadLetter, frozen=True, kw_only=True):
    number: int


class ElasticDeadLetterStore:
    """A `DeadLetterReader`; one document a letter, by source, offset and content: a topic that is made again has its
    offsets again. Numbers come from the log that had them."""

    def __init__(self, client: Elasticsearch, writer: BulkWriter, *, prefix: str = "") -> None:
        """`ensure_indices` must have run."""
        self._client, self._writer, self._index = client, writer, f"{prefix}{DEAD_LETTERS}"

    def add_numbered(self, letters: Sequence[tuple[int, DeadLetter]]) -> None:
        """Insert; the first number of a letter stays."""
        writes = []
        for number, letter in letters:
            document = msgspec.json.encode(_Numbered(number=number, **msgspec.structs.asdict(letter)))
            name = f"{letter.source}:{letter.offset}:{letter.content}"
            writes.append(Operation(self._index, name, document, create=True))
        self._writer.write(writes)

    def dead_letters(self, after: int, limit: int) -> list[tuple[int, DeadLetter]]:
        """As the port says; a letter is found within the index's refresh interval."""
        with answering(f"searching {self._index}"):
            found = self._client.search(
                index=self._index,
                ignore_unavailable=True,  # it is made by who writes it
                query={"range": {"number": {"gt": after}}},
                sort=[{"number": {"order": "asc"}}],
                size=max(0, min(limit, _PAGE)),
            )
        letters = [msgspec.convert(hit["_source"], _Numbered) for hit in found["hits"]["hits"]]
        names = DeadLetter.__struct_fields__
        return [(x.number, DeadLetter(**{name: getattr(x, name) for name in names})) for x in letters]
