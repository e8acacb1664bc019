"""Records that could not be read, in SQLite."""

from collections.abc import Callable, Sequence

import msgspec

from tapewatch.model.ticks import DeadLetter
from tapewatch.stores.sqlite.connection import Database

_letter = msgspec.json.Decoder(DeadLetter)


class SqliteDeadLetterStore:
    """A `DeadLetterStore` on one SQLite file. `now` gives the wall clock in ns: what retention measures age by."""

    def __init__(self, database: Database, now: Callable[[], int]) -> None:
        self._db = database
        self._now = now

    def add(self, letters: Sequence[DeadLetter]) -> None:
        """As the port says."""
        stored_ns = self._now()
        with self._db.write() as db:
            db.executemany(
                # Not ON CONFLICT DO NOTHING: a row that is left out that way takes a number all the same.
                "INSERT INTO dead_letters (source, tape_offset, content, payload, stored_ns) SELECT ?1, ?2, ?3, ?4, ?5"
                " WHERE NOT EXISTS"
                " (SELECT 1 FROM dead_letters WHERE source = ?1 AND tape_offset = ?2 AND content = ?3)",
                ((x.source, x.offset, x.content, msgspec.json.encode(x), stored_ns) for x in letters),
            )

    def dead_letters(self, after: int, limit: int) -> list[tuple[int, DeadLetter]]:
        """As the port says; numbered from 1, a number is never given twice."""
        with self._db.read() as db:
            rows = db.execute(
                "SELECT seq, payload FROM dead_letters WHERE seq > ? ORDER BY seq LIMIT ?", (after, max(limit, 0))
            )
            return [(seq, _letter.decode(payload)) for seq, payload in rows]
