"""Files of every earlier schema open, with what was in them; the migrations that made them are never edited."""

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from tapewatch.model.ticks import DeadLetter
from tapewatch.stores.port import AlertQuery
from tapewatch.stores.query import Facet, alert_facet
from tapewatch.stores.sqlite import Database, SqliteAlertStore, SqliteDeadLetterStore
from tapewatch.stores.sqlite.schema import MIGRATIONS
from tests.factories import ONSET_NS, make_alerts

RELEASED = ("a11d53d5f978317e", "73bc3ea9c2013926", "842557b9204c3d87", "5c8c5770bb186159")
UNTYPED = "kind, venue, symbol, category, rule, direction, severity, state"
EARLY = "state TEXT NOT NULL,\n    UNIQUE (kind, symbol, venue, category, rule, direction, severity, state)"
EDITED = (
    "state TEXT NOT NULL,\n    alert_type TEXT NOT NULL,"
    " UNIQUE (kind, symbol, venue, category, rule, direction, severity, state, alert_type)"
)
"""How the first migration stood on 2026-11-26, for half a day."""

ALERTS = [
    msgspec.structs.replace(a, alert_type="other") if k % 3 else a  # so that early classes hold two types
    for k, a in enumerate(make_alerts(300))
]
QUERIES = [
    AlertQuery(limit=500),
    *(AlertQuery(alert_type=[kind], limit=500) for kind in sorted({a.alert_type for a in ALERTS})),
    *(AlertQuery(symbol=symbol, severity=["high"], limit=500) for symbol in sorted({a.symbol for a in ALERTS})),
    AlertQuery(rule=[ALERTS[0].rule], state=[ALERTS[0].state], limit=500),
]


@contextmanager
def _file(path: Path, version: int, first: str) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(path)
    for migration in (first, *MIGRATIONS[1:version]):
        assert isinstance(migration, str)
        connection.executescript(migration)
    connection.execute(f"PRAGMA user_version = {version}")
    yield connection
    connection.commit()
    connection.close()


def _early_class(db: sqlite3.Connection, facet: Facet) -> int:
    values = ("alert", *facet[:-1])
    db.execute(f"INSERT INTO classes ({UNTYPED}) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", values)
    (found,) = db.execute(
        f"SELECT class_id FROM classes WHERE ({UNTYPED}) = (?, ?, ?, ?, ?, ?, ?, ?)", values
    ).fetchone()
    return int(found)


def _write_early(db: sqlite3.Connection) -> None:
    """As the store wrote alerts before it knew of types in queries; among them a class of signals."""
    db.execute(f"INSERT INTO classes ({UNTYPED}) VALUES ('signal', 'XNAS', '', '', 'r', 'up', 'high', '')")
    for alert in ALERTS:
        facet = alert_facet(alert)
        ids = (_early_class(db, facet._replace(symbol="")), _early_class(db, facet))
        payload = msgspec.json.encode(alert)
        db.execute(
            "INSERT INTO alerts (alert_id, revision, onset_ns, class_id, symbol_class_id, incident_id, payload)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (alert.alert_id, alert.revision, alert.onset_ns, *ids, alert.incident_id, payload),
        )


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_file_from_before_alerts_had_types_gives_the_pages_of_a_new_one(tmp_path: Path, version: int) -> None:
    first = MIGRATIONS[0]
    assert isinstance(first, str)
    with _file(tmp_path / "old.sqlite", version, first) as db:
        _write_early(db)
    old, new = (SqliteAlertStore(Database(tmp_path / f"{n}.sqlite"), lambda: ONSET_NS) for n in ("old", "new"))
    new.upsert(ALERTS, [])
    for query in QUERIES:
        assert old.page(query) == new.page(query)
    worse = [msgspec.structs.replace(a, revision=a.revision + 1, alert_type="third") for a in ALERTS[:20]]
    assert old.upsert(worse, []) == worse
    assert len(old.page(AlertQuery(alert_type=["third"], limit=500))) == 20


@pytest.mark.parametrize("version", [1, 4])
def test_a_file_that_had_types_from_the_beginning_keeps_its_classes(tmp_path: Path, version: int) -> None:
    path = tmp_path / "old.sqlite"
    first = MIGRATIONS[0]
    assert isinstance(first, str)
    assert EARLY in first
    with _file(path, version, first.replace(EARLY, EDITED)) as db:
        db.execute(
            "INSERT INTO classes VALUES (7, 'alert', 'XNAS', 'TSLA', 'price', 'r', 'up', 'high', 'firing', 'rise')"
        )
    with Database(path).read() as reader:
        assert reader.execute("SELECT class_id, alert_type FROM classes").fetchall() == [(7, "rise")]
        assert reader.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)


def test_dead_letters_keep_their_numbers_and_those_of_removed_ones_are_not_given_again(tmp_path: Path) -> None:
    path, first = tmp_path / "old.sqlite", MIGRATIONS[0]
    assert isinstance(first, str)
    letters = [DeadLetter(source="t.csv", position=k + 2, offset=k, reason="x", raw=f"{k}\x00,") for k in range(4)]
    with _file(path, 4, first) as db:
        for letter in letters[:3]:
            db.execute(
                "INSERT INTO dead_letters (source, tape_offset, payload, stored_ns) VALUES (?, ?, ?, 1)",
                (letter.source, letter.offset, msgspec.json.encode(letter)),
            )
        db.execute("DELETE FROM dead_letters WHERE seq = 3")
    store = SqliteDeadLetterStore(Database(path), lambda: 2)
    other = msgspec.structs.replace(letters[1], raw="another")
    store.add([*letters[:2], other, letters[3]])
    assert store.dead_letters(0, 10) == [(1, letters[0]), (2, letters[1]), (4, other), (5, letters[3])]


def test_no_released_migration_was_edited() -> None:
    texts = [m for m in MIGRATIONS if isinstance(m, str)]
    assert tuple(hashlib.sha256(text.encode()).hexdigest()[:16] for text in texts) == RELEASED
