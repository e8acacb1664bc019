"""What every tape must hold, run on every tape."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tapewatch.model.errors import InputError
from tapewatch.tape.kafka import KafkaTape, ReaderMaker, best_reader
from tapewatch.tape.kafka_reader import ObjectReader
from tapewatch.tape.kafka_settings import KafkaSettings
from tapewatch.tape.kafka_topics import KafkaTopics, TopicSpec
from tapewatch.tape.memory import MemoryTape
from tapewatch.tape.port import RawBatch, Tape
from tapewatch.tape.segment import SegmentTape

_made = iter(range(10**9))


def _segment(folder: Path) -> Tape:
    return SegmentTape(folder / f"{next(_made)}.tape", lambda: b"0123456789abcdef", fsync="never")


TAPES: dict[str, Callable[[Path], Tape]] = {"memory": lambda folder: MemoryTape(), "segment": _segment}
READERS: dict[str, ReaderMaker] = {"kafka": best_reader, "kafka by objects": ObjectReader}
_PARTITIONS = 60  # a tape each: quicker than a topic each


@pytest.fixture(scope="module")
def partitions(request: pytest.FixtureRequest) -> Iterator[int]:
    """Partitions that nobody has written to, of the topic `_TOPIC`."""
    settings = KafkaSettings(request.getfixturevalue("kafka_server").address)
    KafkaTopics(settings).ensure([TopicSpec(_TOPIC, _PARTITIONS)])
    return iter(range(_PARTITIONS))


_TOPIC = "tape-contract"


def _make(request: pytest.FixtureRequest, folder: Path) -> Iterator[Callable[[], Tape]]:
    if request.param in TAPES:
        yield lambda: TAPES[request.param](folder)
        return
    settings = KafkaSettings(request.getfixturevalue("kafka_server").address)
    unused = request.getfixturevalue("partitions")
    opened: list[KafkaTape] = []

    def tape() -> Tape:
        while opened:
            opened.pop().close()
        opened.append(KafkaTape(settings, _TOPIC, next(unused), make_reader=READERS[request.param]))
        return opened[-1]

    yield tape
    while opened:
        opened.pop().close()


_KAFKA = [pytest.param(name, marks=pytest.mark.cluster) for name in READERS]


@pytest.fixture(params=[*TAPES, *_KAFKA])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Tape]]:
    yield from _make(request, tmp_path)


@pytest.fixture(params=TAPES)
def make_quick(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Tape]]:
    yield from _make(request, tmp_path)


@pytest.fixture(params=_KAFKA)
def make_slow(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Tape]]:
    yield from _make(request, tmp_path)


def messages(raw: RawBatch) -> list[bytes]:
    edges = raw.starts.tolist()
    return [raw.data[a:b] for a, b in itertools.pairwise(edges)]


_appends = st.lists(st.lists(st.binary(max_size=9), max_size=6), max_size=8)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(appends=_appends, count=st.integers(1, 12), size=st.integers(1, 30), data=st.data())
def test_reads_give_back_what_was_appended_however_they_are_cut(
    make_quick: Callable[[], Tape], appends: list[list[bytes]], count: int, size: int, data: st.DataObject
) -> None:
    _check_reads(make_quick(), appends, count, size, data)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(appends=_appends, count=st.integers(1, 12), size=st.integers(1, 30), data=st.data())
def test_reads_from_a_server_give_back_what_was_appended_however_they_are_cut(
    make_slow: Callable[[], Tape], appends: list[list[bytes]], count: int, size: int, data: st.DataObject
) -> None:
    _check_reads(make_slow(), appends, count, size, data)


def _check_reads(tape: Tape, appends: list[list[bytes]], count: int, size: int, data: st.DataObject) -> None:
    written = [(m, i) for i, group in enumerate(appends) for m in group]
    for i, group in enumerate(appends):
        tape.append(group, i)
    at = start = data.draw(st.integers(0, len(written)))
    got: list[tuple[bytes, int]] = []
    while len(raw := tape.read(at, count, size)):
        assert (raw.start, raw.offsets.tolist()) == (at, list(range(at, raw.end)))
        assert len(raw) <= count
        assert len(raw.data) <= size or len(raw) == 1
        got += zip(messages(raw), raw.ts_append_ns.tolist(), strict=True)
        at = raw.end
    if isinstance(tape, KafkaTape):  # the broker stamps what it appends
        stamps = [stamp for _, stamp in got]
        assert stamps == sorted(stamps)
        got = [(message, stamp) for (message, _), (_, stamp) in zip(got, written[start:], strict=True)]
    assert got == written[start:]


def test_append_returns_the_end_and_an_empty_append_changes_nothing(make: Callable[[], Tape]) -> None:
    tape = make()
    assert tape.append([b"a", b""], 1) == 2
    assert tape.append([], 1) == 2
    assert messages(tape.read(0)) == [b"a", b""]


def test_the_end_is_empty_and_what_lies_beyond_is_refused(make: Callable[[], Tape]) -> None:
    tape = make()
    tape.append([b"a"], 1)
    assert (len(tape.read(1)), tape.read(1).end) == (0, 1)
    for offset in (-1, 2):
        with pytest.raises(InputError, match="outside"):
            tape.read(offset)
        with pytest.raises(InputError, match="outside"):
            tape.commit(offset)


def test_commit_is_remembered(make: Callable[[], Tape]) -> None:
    tape = make()
    assert tape.committed == 0
    tape.append([b"a", b"b"], 1)
    tape.commit(2)
    assert tape.committed == 2
