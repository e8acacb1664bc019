"""Market-wide moves in SQLite."""

from collections.abc import Callable

import msgspec

from tapewatch.model.market import Group, MarketFindings, MarketMinute
from tapewatch.stores.port import GroupQuery
from tapewatch.stores.sqlite.connection import Database

_group = msgspec.json.Decoder(Group)
_minute = msgspec.json.Decoder(MarketMinute)
_encode = msgspec.json.Encoder().encode
_MIN_NS, _MAX_NS = -(2**63), 2**63 - 1


class SqliteGroupStore:
    """A `GroupStore` on one SQLite file. `now` gives the wall clock in ns: what retention measures age by."""

    def __init__(self, database: Database, now: Callable[[], int]) -> None:
        self._db = database
        self._now = now

    def put(self, found: MarketFindings) -> list[Group]:
        """As the port says, in one transaction."""
        stored_ns, effects = self._now(), []
        with self._db.write() as db:
            db.executemany(
                "INSERT INTO market_minutes VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                ((m.market, m.end_ns, _encode(m), stored_ns) for m in found.minutes),
            )
            for g in found.groups:
                stored = db.execute("SELECT revision FROM groups WHERE group_id = ?", (g.group_id,)).fetchone()
                if stored is not None and stored[0] >= g.revision:
                    continue
                # Out and in again, so that each change has a number above all that ever were.
                db.execute("DELETE FROM groups WHERE group_id = ?", (g.group_id,))
                db.execute(
                    "INSERT INTO groups (group_id, revision, market, state, opened_ns, payload, stored_ns)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (g.group_id, g.revision, g.market, g.state, g.opened_ns, _encode(g), stored_ns),
                )
                effects.append(g)
        return effects

    def groups(self, query: GroupQuery) -> list[Group]:
        """As the port says."""
        wanted = {"group_id": query.group_id, "market": query.market, "state": query.state}
        parts = [f"{name} = ?" for name, value in wanted.items() if value is not None]
        values: list[object] = [value for value in wanted.values() if value is not None]
        low = _MIN_NS if query.from_ns is None else query.from_ns
        high = _MAX_NS if query.to_ns is None else query.to_ns
        parts += ["opened_ns >= ?", "opened_ns < ?"]
        values += [low, high]
        order, beyond = ("DESC", "<") if query.newest_first else ("ASC", ">")
        if query.after is not None:
            parts.append(f"(opened_ns, group_id) {beyond} (?, ?)")
            values += query.after
        sql = f"SELECT payload FROM groups WHERE {' AND '.join(parts)}"  # noqa: S608 - constants; values are bound
        sql += f" ORDER BY opened_ns {order}, group_id {order} LIMIT ?"
        with self._db.read() as db:
            return [_group.decode(payload) for (payload,) in db.execute(sql, (*values, max(query.limit, 0)))]

    def minutes(self, market: str, from_ns: int, to_ns: int) -> list[MarketMinute]:
        """As the port says."""
        with self._db.read() as db:
            rows = db.execute(
                "SELECT payload FROM market_minutes WHERE market = ? AND end_ns >= ? AND end_ns < ? ORDER BY end_ns",
                (market, max(from_ns, _MIN_NS), min(to_ns, _MAX_NS)),
            )
            return [_minute.decode(payload) for (payload,) in rows]

    def changed(self, after: int, limit: int) -> list[tuple[int, Group]]:
        """Groups in the order in which they last changed, each with the number of that change: what notices follow."""
        with self._db.read() as db:
            rows = db.execute(
                "SELECT seq, payload FROM groups WHERE seq > ? ORDER BY seq LIMIT ?", (after, max(limit, 0))
            )
            return [(seq, _group.decode(payload)) for seq, payload in rows]
