"""The archive of the tape: who writes it, and who reads it."""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from elasticsearch import Elasticsearch
from numpy.typing import NDArray
from prometheus_client.core import CounterMetricFamily, Metric

from tapewatch.detection.engine import Engine
from tapewatch.model.errors import GiveUpError, RetryableError
from tapewatch.model.ticks import TickBatch
from tapewatch.runtime.cluster.judging import codec_of
from tapewatch.runtime.config.detect import BridgeSection
from tapewatch.runtime.config.settings import RulesSettings
from tapewatch.runtime.config.sinks import ArchiveSection
from tapewatch.runtime.embedded import build_engine
from tapewatch.stores.elasticsearch import ElasticBars, ElasticTickWriter
from tapewatch.stores.parquet import ParquetTickHistory
from tapewatch.stores.parquet.combined import CombinedBars
from tapewatch.stores.parquet.remote import RemoteBars, RemoteTickArchive, open_file_system
from tapewatch.stores.port import ArchiveReader
from tapewatch.tape.codec import JsonDecoder
from tapewatch.tape.kafka_group import KafkaGroup, Place, Taken
from tapewatch.tape.port import RawBatch

_log = logging.getLogger(__name__)
_MS_NS = 1_000_000


class Archive(Protocol):
    """Where the ticks of one partition are kept; as `TickHistory` says."""

    def append(self, ticks: TickBatch, fates: NDArray[np.int8], start: int, end: int) -> None: ...

    def flush(self) -> int: ...

    def close(self) -> None: ...


class Archiver:
    """A `Sink` of the tape. A partition's offset is committed once everything below it is in files.

    Whether a tick was late, or one seen before, is judged anew here, from where this process began to read: the first
    ticks after a restart count as judged whatever they are.
    """

    def __init__(
        self,
        group: KafkaGroup,
        section: ArchiveSection,
        bridge: BridgeSection,
        topic_id: Callable[[str], str],
        ticks: ElasticTickWriter | None = None,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`topic_id` is another one for a topic that was made again under its name. `ticks` writes to Elasticsearch as
        well. InputError for an address that is none."""
        self._group, self._section, self._bridge, self._ticks = group, section, bridge, ticks
        self._topic_id, self._generation = topic_id, -1
        self._clock_s, self._flush_at = clock_s, clock_s() + section.flush_s
        self._open = _opener(section)
        self._tapes: dict[Place, str] = {}
        self._ends: dict[Place, int] = {}
        self._archives: dict[Place, Archive] = {}
        self._engines: dict[Place, tuple[JsonDecoder, Engine]] = {}
        self._done: dict[Place, tuple[int, TickBatch, NDArray[np.int8]]] = {}
        self.ticks = self.unreadable = self.flushes = 0

    def write(self, messages: Sequence[Taken]) -> bool:
        """As the port says."""
        places: dict[Place, list[Taken]] = {}
        for message in messages:
            places.setdefault((message.topic, message.partition), []).append(message)
        if any(taken[0].offset < self._ends.get(place, 0) for place, taken in places.items()):
            self._generation = -1  # read again, or another log of the same name
        self._let_go()
        for place, taken in places.items():
            start, end = taken[0].offset, taken[-1].offset + 1
            ticks, fates = self._judge(place, taken)
            if self._ticks is not None:
                self._ticks.write(self._tape(place), ticks, fates)
            if self._section.parquet:
                self._archive(place).append(ticks, fates, start, end)
            self.ticks += len(ticks)
            self._ends[place] = end
        self._done = {}
        return not self._section.parquet

    def tend(self) -> None:
        """As the port says: files at their time, and those of partitions that are others' now at once."""
        self._let_go()
        if self._archives and self._clock_s() >= self._flush_at:
            self.flush()

    def flush(self) -> None:
        """Make files of everything, and commit."""
        ends = {place: archive.flush() for place, archive in self._archives.items()}
        self._flush_at = self._clock_s() + self._section.flush_s
        self.flushes += 1
        self._group.commit_at(ends)

    def close(self) -> None:
        """Make files of everything. What cannot be written is read again at the next start."""
        for archive in self._archives.values():
            try:
                archive.close()
            except RetryableError as error:
                _log.warning("not archived before the end: %s", error)

    def collect(self) -> Iterable[Metric]:
        """As a Prometheus collector."""
        events = CounterMetricFamily("tapewatch_archive", "What the archiver has done.", labels=["what"])
        for name in ("ticks", "unreadable", "flushes"):
            events.add_metric([name], getattr(self, name))
        yield events

    def _judge(self, place: Place, taken: list[Taken]) -> tuple[TickBatch, NDArray[np.int8]]:
        done = self._done.get(place)
        if done is not None and done[0] == taken[0].offset:
            return done[1], done[2]  # the same batch again: judged twice, each tick would be its own duplicate
        if place not in self._engines:
            decoder = JsonDecoder(codec_of(self._bridge, place[0]))
            self._engines[place] = (
                decoder,
                build_engine(RulesSettings()),
            )  # for the fates alone, by kernels that others have compiled
        decoder, engine = self._engines[place]
        batch = decoder.decode(_raw(taken))
        fates = engine.process(batch.ticks).fates
        self.unreadable += len(batch.dead)
        self._done[place] = taken[0].offset, batch.ticks, fates
        return batch.ticks, fates

    def _let_go(self) -> None:
        """Make files of partitions that are others' now, and of topics that are not the same any more."""
        assigned = set(self._group.assigned)
        gone = self._tapes.keys() - assigned
        if self._generation != self._group.generation:
            gone |= {place for place in self._tapes.keys() & assigned if self._name(place) != self._tapes[place]}
        for place in gone:
            if place in self._archives:
                self._archives[place].close()
            for held in (self._archives, self._engines, self._done, self._ends, self._tapes):
                held.pop(place, None)
        self._generation = self._group.generation

    def _tape(self, place: Place) -> str:
        """What names the log of a partition for ever."""
        if place not in self._tapes:
            self._tapes[place] = self._name(place)
        return self._tapes[place]

    def _name(self, place: Place) -> str:
        return f"{place[0]}/{self._topic_id(place[0])}/{place[1]}"

    def _archive(self, place: Place) -> Archive:
        if place not in self._archives:
            folder = self._tape(place).replace("/", "-")
            try:
                self._archives[place] = self._open(folder)
            except GiveUpError as error:  # the one who had the partition before has not closed its files yet
                raise RetryableError(str(error)) from error
        return self._archives[place]


def archived_bars(section: ArchiveSection, client: Elasticsearch, prefix: str) -> ArchiveReader:
    """Bars from what the archiver writes: its Parquet files, or `ticks-*` where there are none."""
    if not section.parquet:
        return ElasticBars(client, prefix=prefix)
    folder = _local_folder(section.url)
    if folder is not None:
        return CombinedBars(folder)
    return RemoteBars(lambda: open_file_system(section.url))


def _opener(section: ArchiveSection) -> Callable[[str], Archive]:
    folder, rows = _local_folder(section.url), section.flush_ticks
    if folder is not None:
        return lambda name: ParquetTickHistory(folder / name, max_rows=rows)
    if not section.parquet:
        return _none
    system, path = open_file_system(section.url)
    return lambda name: RemoteTickArchive(system, f"{path.rstrip('/')}/{name}", max_rows=rows)


def _none(name: str) -> Archive:
    raise AssertionError(f"unreachable: {name} is not archived in files")


def _local_folder(url: str) -> Path | None:
    if "://" in url and not url.startswith("file://"):
        return None
    return Path(url.removeprefix("file://"))


def _raw(taken: Sequence[Taken]) -> RawBatch:
    starts = np.zeros(len(taken) + 1, np.int64)
    np.cumsum([len(message.value) for message in taken], out=starts[1:])
    return RawBatch(
        data=b"".join(message.value for message in taken),
        starts=starts,
        offsets=np.array([message.offset for message in taken], np.int64),
        ts_append_ns=np.array([max(message.message.timestamp()[1], 0) for message in taken], np.int64) * _MS_NS,
        start=taken[0].offset,
        end=taken[-1].offset + 1,
    )
