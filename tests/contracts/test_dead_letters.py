"""What every DeadLetterStore promises."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tapewatch.model.ticks import DeadLetter
from tapewatch.stores.memory import MemoryDeadLetterStore
from tapewatch.stores.port import DeadLetterStore
from tapewatch.stores.sqlite import Database, SqliteDeadLetterStore

LETTER = DeadLetter(source="a.csv", position=3, offset=1, reason="price is not a number", raw="x,\ud7ff\x00,'\"")


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DeadLetterStore]:
    if request.param == "memory":
        yield MemoryDeadLetterStore()
        return
    database = Database(tmp_path / "db.sqlite")
    yield SqliteDeadLetterStore(database, lambda: 7)
    database.close()


def test_letters_are_numbered_in_the_order_in_which_they_came(store: DeadLetterStore) -> None:
    letters = [msgspec.structs.replace(LETTER, offset=offset) for offset in (9, 2, 5)]
    store.add(letters[:2])
    store.add(letters[2:])
    assert store.dead_letters(0, 10) == list(enumerate(letters, start=1))
    assert store.dead_letters(1, 1) == [(2, letters[1])]
    assert store.dead_letters(3, 10) == []


def test_repeats_change_nothing_and_take_no_number(store: DeadLetterStore) -> None:
    store.add([LETTER])
    store.add([msgspec.structs.replace(LETTER, reason="read again"), msgspec.structs.replace(LETTER, source="b.csv")])
    assert store.dead_letters(0, 10) == [(1, LETTER), (2, msgspec.structs.replace(LETTER, source="b.csv"))]


def test_a_file_of_another_day_with_the_same_name_has_letters_of_its_own(store: DeadLetterStore) -> None:
    tomorrow = msgspec.structs.replace(LETTER, raw="y,1")
    store.add([LETTER])
    store.add([tomorrow])
    store.add([LETTER, tomorrow])  # as after a crash
    assert store.dead_letters(0, 10) == [(1, LETTER), (2, tomorrow)]


def test_a_store_in_memory_keeps_the_first_where_it_is_told_how_many() -> None:
    store = MemoryDeadLetterStore(keep=2)
    letters = [msgspec.structs.replace(LETTER, offset=offset) for offset in range(5)]
    store.add(letters)
    assert store.dead_letters(0, 10) == list(enumerate(letters[:2], start=1))
