"""Dead letters for those who look at them: of the cluster's topic, or of a data directory."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tapewatch.model.errors import GiveUpError
from tapewatch.runtime.config.settings import Settings
from tapewatch.runtime.embedded import DATABASE, database_in
from tapewatch.stores.sqlite import Database, SqliteDeadLetterStore

if TYPE_CHECKING:  # the client is an extra that the embedded mode does without
    from tapewatch.tape.kafka_settings import KafkaSettings

_PAGE = 500
_KEPT_CHARS = 1_000


@dataclass(frozen=True, slots=True)
class Letter:
    """A record that could not be read; numbers begin at 1."""

    number: int
    source: str
    offset: int
    reason: str
    original: bytes
    key: bytes | None = None
    is_cut: bool = False  # only its beginning was kept
    partition: int | None = None  # of a topic; a file has none

    @property
    def place(self) -> str:
        """Source, partition where there is one, and offset."""
        source = self.source if self.partition is None else f"{self.source}/{self.partition}"
        return f"{source}:{self.offset}"


class Letters(Protocol):
    """Where dead letters are."""

    can_replay: bool

    def after(self, number: int) -> Iterator[Letter]:
        """Those with a higher number, in order."""
        ...

    def replay(self, letters: Sequence[Letter]) -> None:
        """Write them again to where they came from, and wait until they are there. GiveUpError where that is none, and
        where of one only the beginning was kept; then none is written."""
        ...


class KafkaLetters:
    """The topic of the cluster."""

    can_replay = True

    def __init__(self, settings: "KafkaSettings", topic: str) -> None:
        self._settings, self._topic = settings, topic

    def after(self, number: int) -> Iterator[Letter]:
        """As the port says."""
        from tapewatch.tape.kafka_dead import read_dead

        for found in read_dead(self._settings, number - 1, self._topic):
            yield Letter(
                found.number + 1,
                found.topic,
                found.offset,
                found.reason,
                found.original,
                key=found.key,
                is_cut=found.cut > 0,
                partition=found.partition,
            )

    def replay(self, letters: Sequence[Letter]) -> None:
        """As the port says."""
        from tapewatch.tape.kafka_dead import DeadMessage, replay
        from tapewatch.tape.kafka_publisher import KafkaPublisher

        for letter in letters:
            if letter.is_cut:
                raise GiveUpError(
                    f"dead letter {letter.number} is not written again: it was so large that only its first"
                    f" {len(letter.original)} bytes were kept; {letter.place} may still have it whole"
                )
        publisher = KafkaPublisher(self._settings)
        replay(
            publisher,
            [
                DeadMessage(
                    topic=x.source,
                    partition=x.partition or 0,
                    offset=x.offset,
                    reason=x.reason,
                    original=x.original,
                    key=x.key,
                )
                for x in letters
            ],
        )
        publisher.close()


class KeptLetters:
    """Those of a data directory, which another process may be writing to."""

    can_replay = False

    def __init__(self, data_dir: Path) -> None:
        self._path = database_in(data_dir, "; --data-dir names the folder, --kafka the cluster")

    def after(self, number: int) -> Iterator[Letter]:
        """As the port says."""
        database = Database(self._path)
        try:
            store = SqliteDeadLetterStore(database, time.time_ns)
            last = number
            while page := store.dead_letters(last, _PAGE):
                for last, found in page:
                    cut = len(found.raw) >= _KEPT_CHARS
                    yield Letter(last, found.source, found.position, found.reason, found.raw.encode(), is_cut=cut)
        finally:
            database.close()

    def replay(self, letters: Sequence[Letter]) -> None:
        """GiveUpError: a file is not written to."""
        raise GiveUpError(f"{len(letters)} dead letters came from files, which are not written to")


def open_letters(settings: Settings, *, kafka: bool | None) -> Letters:
    """The dead letters of the cluster, or of the data directory; where `kafka` is None, of the one that holds data."""
    if kafka is None:
        kafka = not (settings.data_dir / DATABASE).exists()
    if not kafka:
        return KeptLetters(settings.data_dir)
    from tapewatch.runtime.config.kafka import kafka_settings
    from tapewatch.tape.kafka_entrance import knock
    from tapewatch.tape.kafka_names import DEAD_LETTERS

    kafka_of = kafka_settings(settings.kafka)
    knock(kafka_of)
    return KafkaLetters(kafka_of, DEAD_LETTERS)
