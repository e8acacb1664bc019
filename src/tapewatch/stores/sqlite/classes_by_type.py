"""The migration that lets a query filter by the type of alerts: `classes` gets one more column.

The classes of signals and incidents stay as they are, without a type. Those of alerts are divided by the types that the
alerts have, and the alerts are led to theirs: some seconds for 100,000 alerts.
"""

import sqlite3

_VALUES = "kind, venue, symbol, category, rule, direction, severity, state"
_TYPE = "json_extract(CAST(alerts.payload AS TEXT), '$.alert_type')"
_STATEMENTS = (
    "ALTER TABLE classes RENAME TO untyped",
    """CREATE TABLE classes (
        class_id INTEGER PRIMARY KEY, kind TEXT NOT NULL, venue TEXT NOT NULL, symbol TEXT NOT NULL,
        category TEXT NOT NULL, rule TEXT NOT NULL, direction TEXT NOT NULL, severity TEXT NOT NULL,
        state TEXT NOT NULL, alert_type TEXT NOT NULL,
        UNIQUE (kind, symbol, venue, category, rule, direction, severity, state, alert_type)
    ) STRICT""",
    f"INSERT INTO classes SELECT class_id, {_VALUES}, '' FROM untyped WHERE kind <> 'alert'",  # noqa: S608 - constants
    # Ids that no class had, so that one can be told from the other while alerts are led from these to those.
    f"INSERT INTO classes SELECT (SELECT max(class_id) FROM untyped) + row_number() OVER (), * FROM"  # noqa: S608
    f" (SELECT DISTINCT {_VALUES}, {_TYPE} FROM alerts JOIN untyped USING (class_id)"
    f" UNION SELECT DISTINCT {_VALUES}, {_TYPE} FROM alerts JOIN untyped ON symbol_class_id = untyped.class_id)",
    *(
        f"UPDATE alerts SET {column} = (SELECT classes.class_id FROM untyped JOIN classes USING ({_VALUES})"  # noqa: S608
        f" WHERE untyped.class_id = alerts.{column} AND classes.alert_type = {_TYPE})"
        for column in ("class_id", "symbol_class_id")
    ),
    "DROP TABLE untyped",
)


def classes_by_type(connection: sqlite3.Connection) -> None:
    """Migrate inside the caller's transaction. Files of 2026-11-26 have had the column from the beginning."""
    columns = {name for (name,) in connection.execute("SELECT name FROM pragma_table_info('classes')")}
    if "alert_type" not in columns:
        for statement in _STATEMENTS:
            connection.execute(statement)
