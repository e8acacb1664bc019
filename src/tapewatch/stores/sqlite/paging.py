"""Pages in a stable order under any combination of filters, without ever reading more than the page needs.

A query's equality filters select classes (see `schema`): at most a few hundred exist, because a class is a combination
of category, rule, direction, severity, state and venue. Each class is one contiguous, ordered run of an index, so a
page is a lazy k-way merge of the runs that match: about k + limit index entries are read, however rare or old the
matches are. No combination of filters needs an index of its own.
"""

import heapq
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import msgspec

from tapewatch.stores.port import AlertQuery
from tapewatch.stores.query import Facet, facet_matches

_MIN_NS, _MAX_NS = -(2**63), 2**63 - 1
# Above so many matching classes a merge costs more than reading along the time index and leaving out what does not
# match: so many classes are a large part of all, so most entries do match.
_MERGE_AT_MOST = 400

Entry = tuple[int, str, int]  # (time, public id, row id)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the items of one kind stand: names that are constants of the schema, never outside input."""

    kind: str
    table: str
    at: str  # the column of time
    name: str  # the column of the public id
    by_time: str  # the index on (at, name, class_id)


ALERTS = Layout("alert", "alerts", "onset_ns", "alert_id", "alerts_by_onset")
SIGNALS = Layout("signal", "signals", "ts_event_ns", "signal_id", "signals_by_time")
INCIDENTS = Layout("incident", "incidents", "onset_ns", "incident_id", "incidents_by_onset")


@dataclass(frozen=True, slots=True)
class Condition:
    """One more SQL condition on the items, for filters that are not part of the class."""

    sql: str
    values: tuple[object, ...]
    selective: bool  # it leads to a handful of rows through an index of its own


def read_page(db: sqlite3.Connection, layout: Layout, query: AlertQuery, extra: Sequence[Condition]) -> list[bytes]:
    """The payloads of the page, in order. `db` must be inside one read transaction."""
    if query.limit <= 0 or query.symbol == "":
        return []
    known = _classes(db, layout.kind, query.symbol or "")
    matching = [class_id for class_id, facet in known if facet_matches(query, facet)]
    if not matching:
        return []
    column = "symbol_class_id" if query.symbol else "class_id"
    reader = _Reader(db, layout, query, extra)
    if any(condition.selective for condition in extra):
        entries = reader.run(column, matching, indexed=False)
    elif column == "class_id" and (len(matching) == len(known) or len(matching) > _MERGE_AT_MOST):
        entries = reader.along_time(None if len(matching) == len(known) else matching)
    else:
        first = max(4, 2 * query.limit // len(matching) + 1)
        runs = [reader.run(column, [class_id], first=first) for class_id in matching]
        entries = heapq.merge(*runs, reverse=query.newest_first)
    return _payloads(db, layout, [row_id for _, _, row_id in islice(entries, query.limit)])


def class_ids(db: sqlite3.Connection, kind: str, facet: Facet, cache: dict[tuple[str, Facet], int]) -> tuple[int, int]:
    """The ids of the class without and with the symbol, made where they are new. `cache` lives for one transaction."""
    return _class_id(db, kind, facet._replace(symbol=""), cache), _class_id(db, kind, facet, cache)


def _class_id(db: sqlite3.Connection, kind: str, facet: Facet, cache: dict[tuple[str, Facet], int]) -> int:
    found = cache.get((kind, facet))
    if found is None:
        db.execute(
            "INSERT INTO classes (kind, venue, symbol, category, rule, direction, severity, state, alert_type)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (kind, *facet),
        )
        (found,) = db.execute(
            "SELECT class_id FROM classes WHERE kind = ? AND venue = ? AND symbol = ? AND category = ? AND rule = ?"
            " AND direction = ? AND severity = ? AND state = ? AND alert_type = ?",
            (kind, *facet),
        ).fetchone()
        cache[kind, facet] = found
    return int(found)


def _classes(db: sqlite3.Connection, kind: str, symbol: str) -> list[tuple[int, Facet]]:
    rows = db.execute(
        "SELECT class_id, venue, symbol, category, rule, direction, severity, state, alert_type FROM classes"
        " WHERE kind = ? AND symbol = ?",
        (kind, symbol),
    )
    return [(class_id, Facet(*values)) for class_id, *values in rows]


class _Reader:
    """Reads index entries of one query in its order."""

    def __init__(self, db: sqlite3.Connection, layout: Layout, query: AlertQuery, extra: Sequence[Condition]) -> None:
        self._db, self._layout, self._extra = db, layout, extra
        self._newest_first = query.newest_first
        low = _MIN_NS if query.from_ns is None else max(query.from_ns, _MIN_NS)
        high = _MAX_NS if query.to_ns is None else min(query.to_ns, _MAX_NS)
        # No public id is empty: (t, "") stands before all items of t.
        edge = (high if query.newest_first else low, "")
        after = edge if query.after is None else (query.after[0], query.after[1])
        self._cursor = min(edge, after) if query.newest_first else max(edge, after)
        self._bound = low if query.newest_first else high
        self._limit = query.limit

    def run(self, column: str, classes: list[int], first: int = 0, *, indexed: bool = True) -> Iterator[Entry]:
        """The entries of one class, or of several where `column` is not what leads to them."""
        table = self._layout.table
        if indexed:
            index = f"{table}_by_{column.removesuffix('_id')}"
            yield from self._chunks(f"INDEXED BY {index}", f"{column} = ?", (classes[0],), first)
        else:
            marks = msgspec.json.encode(classes).decode()
            condition = f"+{column} IN (SELECT value FROM json_each(?))"  # noqa: S608 - constant; +: no index here
            yield from self._chunks("", condition, (marks,), self._limit)

    def along_time(self, classes: list[int] | None) -> Iterator[Entry]:
        """The entries along the time index; only those of `classes`, if given."""
        hint = f"INDEXED BY {self._layout.by_time}"
        if classes is None:
            return self._chunks(hint, "TRUE", (), self._limit)
        marks = msgspec.json.encode(classes).decode()
        return self._chunks(hint, "class_id IN (SELECT value FROM json_each(?))", (marks,), self._limit)

    def _chunks(self, hint: str, condition: str, values: tuple[object, ...], first: int) -> Iterator[Entry]:
        cursor, size = self._cursor, min(first, self._limit)
        sql = self._sql(hint, condition)
        more = tuple(value for extra in self._extra for value in extra.values)
        while True:
            rows = self._db.execute(sql, (*values, *cursor, self._bound, *more, size)).fetchall()
            yield from rows
            if len(rows) < size:
                return
            cursor, size = rows[-1][:2], min(2 * size, self._limit)

    def _sql(self, hint: str, condition: str) -> str:
        # Only constants of this module and of the schema go into the text; every value is bound.
        at, name = self._layout.at, self._layout.name
        down = self._newest_first
        order, beyond, within = ("DESC", "<", ">=") if down else ("ASC", ">", "<")
        parts = [
            f"SELECT {at}, {name}, id FROM {self._layout.table} {hint} WHERE {condition}",  # noqa: S608 - see above
            f"({at}, {name}) {beyond} (?, ?)",
            f"{at} {within} ?",
            *(extra.sql for extra in self._extra),
        ]
        return " AND ".join(parts) + f" ORDER BY {at} {order}, {name} {order} LIMIT ?"


def _payloads(db: sqlite3.Connection, layout: Layout, row_ids: list[int]) -> list[bytes]:
    rows = db.execute(
        f"SELECT id, payload FROM {layout.table} WHERE id IN (SELECT value FROM json_each(?))",  # noqa: S608 - constant
        (msgspec.json.encode(row_ids).decode(),),
    )
    by_id: dict[int, bytes] = dict(rows.fetchall())
    return [by_id[row_id] for row_id in row_ids]
