import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewatch.model.errors import InputError
from tapewatch.web.api.cursors import decode_cursor, encode_cursor, filters_digest


@given(st.integers(-(1 << 63), (1 << 63) - 1), st.text(max_size=200))
def test_a_cursor_gives_back_the_position_that_it_was_made_of(number: int, item_id: str) -> None:
    cursor = encode_cursor((number, item_id), "d1gest")
    assert decode_cursor(cursor, "d1gest") == (number, item_id)
    assert cursor.isascii() and "/" not in cursor and "+" not in cursor and "=" not in cursor


@given(st.text(max_size=80))
def test_whatever_else_is_sent_as_a_cursor_is_an_input_error(text: str) -> None:
    with pytest.raises(InputError):
        decode_cursor(text, "d1gest")


def test_a_cursor_of_other_filters_is_refused() -> None:
    cursor = encode_cursor((1, "a"), filters_digest("high"))
    with pytest.raises(InputError, match="other filters"):
        decode_cursor(cursor, filters_digest("low"))


def test_a_number_that_no_store_can_hold_is_refused() -> None:
    with pytest.raises(InputError):
        decode_cursor(encode_cursor((1 << 63, "a"), "d"), "d")
