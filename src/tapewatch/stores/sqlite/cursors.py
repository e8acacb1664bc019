"""How far each consumer of a numbered log has come."""

from tapewatch.stores.sqlite.connection import Database


class SqliteCursors:
    """Positions by name in one SQLite file; 0 for a name that is new."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def get(self, name: str) -> int:
        """The position stored last."""
        with self._db.read() as db:
            row = db.execute("SELECT position FROM cursors WHERE name = ?", (name,)).fetchone()
            return int(row[0]) if row else 0

    def put(self, name: str, position: int) -> None:
        """Store a position; durable against the death of the process when it returns."""
        with self._db.write() as db:
            db.execute(
                "INSERT INTO cursors VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET position = excluded.position",
                (name, position),
            )

    def skip(self, name: str, behind: str) -> None:
        """Store the end of the numbered log `behind` (`changes` or `groups`), where that is further on."""
        position = {"changes": "SELECT max(seq) FROM changes", "groups": "SELECT max(seq) FROM groups"}[behind]
        with self._db.write() as db:
            (end,) = db.execute(position).fetchone()
            if end is not None:
                db.execute(
                    "INSERT INTO cursors VALUES (?, ?) ON CONFLICT (name) DO UPDATE"
                    " SET position = max(position, excluded.position)",
                    (name, end),
                )
