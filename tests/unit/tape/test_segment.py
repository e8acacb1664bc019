"""The segment file: what survives a crash, what is refused."""

from pathlib import Path

import pytest

from tapewatch.model.errors import GiveUpError, InputError
from tapewatch.tape.segment import Fsync, SegmentTape


def open_tape(path: Path, fsync: Fsync = "commit") -> SegmentTape:
    return SegmentTape(path, lambda: b"0123456789abcdef", fsync)


def all_data(tape: SegmentTape) -> bytes:
    return tape.read(0).data


@pytest.mark.parametrize("fsync", ["append", "commit", "never"])
def test_messages_identity_and_commit_are_there_when_it_is_opened_again(tmp_path: Path, fsync: Fsync) -> None:
    path = tmp_path / "x.tape"
    tape = open_tape(path, fsync)
    tape.append([b"one", b"two"], 7)
    tape.commit(1)
    tape.close()
    again = SegmentTape(path, lambda: b"another identity")
    assert (again.identity, again.committed, all_data(again)) == (b"0123456789abcdef".hex(), 1, b"onetwo")
    assert again.append([b"three"], 8) == 3
    assert again.read(2).ts_append_ns.tolist() == [8]


def test_a_torn_tail_is_cut_wherever_it_was_torn(tmp_path: Path) -> None:
    path = tmp_path / "x.tape"
    tape = open_tape(path)
    tape.append([b"kept"], 1)
    whole = path.stat().st_size
    tape.append([b"torn", b"off"], 2)
    tape.close()
    content = path.read_bytes()
    for size in range(whole, len(content)):
        path.write_bytes(content[:size])
        again = open_tape(path)
        assert (all_data(again), again.cut_bytes, path.stat().st_size) == (b"kept", size - whole, whole)
        assert again.append([b"new"], 3) == 2
        again.close()


def test_a_tail_of_zeros_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "x.tape"
    tape = open_tape(path)
    tape.append([b"kept"], 1)
    tape.close()
    path.write_bytes(path.read_bytes() + bytes(4096))
    assert all_data(open_tape(path)) == b"kept"


def test_damage_in_the_middle_is_refused_and_nothing_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "x.tape"
    tape = open_tape(path)
    for _ in range(3):
        tape.append([b"message"], 1)
    tape.close()
    content = bytearray(path.read_bytes())
    content[content.index(b"message")] ^= 1
    path.write_bytes(content)
    with pytest.raises(GiveUpError, match="damaged at byte 24"):
        open_tape(path)
    assert path.read_bytes() == bytes(content)


def test_damage_while_it_is_open_is_never_handed_out(tmp_path: Path) -> None:
    path = tmp_path / "x.tape"
    tape = open_tape(path)
    tape.append([b"message"], 1)
    with path.open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"X")
    with pytest.raises(GiveUpError, match="damaged"):
        tape.read(0)


def test_an_interrupted_creation_is_begun_again(tmp_path: Path) -> None:
    path = tmp_path / "x.tape"
    path.write_bytes(b"TWTAPE01abc")
    assert open_tape(path).append([b"a"], 1) == 1


def test_a_tape_has_one_writer(tmp_path: Path) -> None:
    tape = open_tape(tmp_path / "x.tape")
    with pytest.raises(InputError, match="another process"):
        open_tape(tmp_path / "x.tape")
    tape.close()
    open_tape(tmp_path / "x.tape")


def test_what_is_not_a_tape_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"timestamp,open,high,low,close\n")
    with pytest.raises(InputError, match="not a tape"):
        open_tape(path)
    assert path.read_bytes() == b"timestamp,open,high,low,close\n"
    with pytest.raises(InputError, match="folder"):
        open_tape(tmp_path / "none" / "x.tape")


def test_a_commit_of_another_tape_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "x.tape"
    committed = tmp_path / "x.tape.committed"
    committed.write_text("00 5\n")
    tape = open_tape(path)
    assert tape.committed == 0
    tape.close()
    committed.write_text("nonsense")
    with pytest.raises(GiveUpError, match="does not hold an offset"):
        open_tape(tmp_path / "x.tape")
