"""The migration that tells dead letters apart by their content as well: two tapes may have files of one name."""

import sqlite3

import msgspec

from tapewatch.model.ticks import DeadLetter

_letter = msgspec.json.Decoder(DeadLetter)
_STATEMENTS = (
    "ALTER TABLE dead_letters RENAME TO letters_by_place",
    """CREATE TABLE dead_letters (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, source TEXT NOT NULL, tape_offset INTEGER NOT NULL,
        content TEXT NOT NULL, payload BLOB NOT NULL, stored_ns INTEGER NOT NULL, UNIQUE (source, tape_offset, content)
    ) STRICT""",
    "INSERT INTO dead_letters"
    " SELECT seq, source, tape_offset, content_of(payload), payload, stored_ns FROM letters_by_place",
    # Numbers of letters that retention removed are not given again.
    "DELETE FROM sqlite_sequence WHERE name = 'dead_letters'",
    "INSERT INTO sqlite_sequence SELECT 'dead_letters', seq FROM sqlite_sequence WHERE name = 'letters_by_place'",
    "DROP TABLE letters_by_place",
    "CREATE INDEX dead_letters_by_age ON dead_letters (stored_ns)",
)


def letters_by_content(connection: sqlite3.Connection) -> None:
    """Migrate inside the caller's transaction."""
    connection.create_function("content_of", 1, lambda payload: _letter.decode(payload).content)
    for statement in _STATEMENTS:
        connection.execute(statement)
