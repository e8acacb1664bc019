"""What every tape must hold, run on every tape."""

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tapewatch.model.errors import InputError
from tapewatch.tape.memory import MemoryTape
from tapewatch.tape.port import RawBatch, Tape
from tapewatch.tape.segment import SegmentTape

_made = iter(range(10**9))


def _segment(folder: Path) -> Tape:
    return SegmentTape(folder / f"{next(_made)}.tape", lambda: b"0123456789abcdef", fsync="never")


TAPES: dict[str, Callable[[Path], Tape]] = {"memory": lambda folder: MemoryTape(), "segment": _segment}


@pytest.fixture(params=TAPES)
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Tape]:
    return lambda: TAPES[request.param](tmp_path)


def messages(raw: RawBatch) -> list[bytes]:
    edges = raw.starts.tolist()
    return [raw.data[a:b] for a, b in itertools.pairwise(edges)]


_appends = st.lists(st.lists(st.binary(max_size=9), max_size=6), max_size=8)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(appends=_appends, count=st.integers(1, 12), size=st.integers(1, 30), data=st.data())
def test_reads_give_back_what_was_appended_however_they_are_cut(
    make: Callable[[], Tape], appends: list[list[bytes]], count: int, size: int, data: st.DataObject
) -> None:
    tape = make()
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
