"""Rows of state without their words of zeros."""

from hypothesis import given
from hypothesis import strategies as st

from tapewatch.stores.redis.packing import pack, unpack

WORDS = st.lists(st.sampled_from([bytes(8), b"\x00\x00\x00\x00\x00\x00\x00\x80", b"ZZZZRRRR"]), max_size=40).map(
    b"".join
)
ROWS = st.lists(st.one_of(WORDS, st.binary(max_size=70)), max_size=12)


@given(ROWS)
def test_what_is_packed_reads_back(rows: list[bytes]) -> None:
    assert unpack(pack(rows)) == rows


def test_zeros_take_a_bit_each() -> None:
    (cold,) = pack([bytes(5952)])
    assert len(cold) == 3 + 5952 // 64
    (full,) = pack([b"\x01" * 1056])
    assert len(full) == 3 + 17 + 1056


def test_rows_of_a_version_that_did_not_pack_are_read() -> None:
    row = (3).to_bytes(8, "little") + b"\x07" * 64
    assert unpack([row, *pack([row])]) == [row, row]


def test_what_says_that_it_is_packed_and_is_not_is_left_for_the_engine_to_refuse() -> None:
    whole = pack([b"\x01" * 64])[0]
    for broken in (b"Z", whole[:2], whole[:-1], whole + b"\x00", b"Z\x00\x00"):
        assert unpack([broken]) == [broken]


def test_a_row_too_long_to_number_its_words_stands_as_it_is() -> None:
    row = bytes(8 * 0x10000)
    assert pack([row]) == [b"R" + row]
    assert unpack(pack([row])) == [row]
