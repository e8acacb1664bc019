import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewatch.model.errors import InputError
from tapewatch.model.times import format_rfc3339, parse_rfc3339
from tapewatch.web.api.params import check_range, format_interval, parse_interval, parse_time

TWO_PM = parse_rfc3339("2025-04-07T14:00:00Z")


@pytest.mark.parametrize(
    "text", ["2025-04-07T14:00:00Z", "2025-04-07t14:00:00z", "2025-04-07T10:00:00-04:00", "2025-04-07T16:00:00+02:00"]
)
def test_the_same_moment_in_any_zone_is_the_same_time(text: str) -> None:
    assert parse_time(text) == TWO_PM


def test_a_plus_that_became_a_space_on_its_way_is_still_a_plus() -> None:
    assert parse_time("2025-04-07T16:00:00 02:00") == TWO_PM


def test_a_date_is_its_midnight_utc() -> None:
    assert parse_time("2025-04-07") == parse_rfc3339("2025-04-07T00:00:00Z")


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2025-02-30", "2025-04-07T14:00:00", "1744034400", "2025-04-07T25:00:00Z"]
)
def test_anything_else_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="RFC 3339"):
        parse_time(text)


@given(st.integers(-(1 << 61), (1 << 62)))
def test_every_time_that_is_written_can_be_sent_back(ts_ns: int) -> None:
    if format_rfc3339(ts_ns)[0] != "-":
        assert parse_time(format_rfc3339(ts_ns)) == ts_ns


@pytest.mark.parametrize(("text", "seconds"), [("30s", 30), ("1m", 60), ("5m", 300), ("4h", 14_400), ("1d", 86_400)])
def test_intervals_are_read_and_written(text: str, seconds: int) -> None:
    assert parse_interval(text) == seconds * 1_000_000_000
    assert format_interval(parse_interval(text)) == text


@pytest.mark.parametrize("text", ["0m", "m", "1", "1w", "-1m", "1.5m", "1000d", "1m\n", "99999999s"])
def test_intervals_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="30s"):
        parse_interval(text)


@pytest.mark.parametrize(("start", "end"), [(5, 5), (6, 5), (-(1 << 63), 5), (0, 1 << 63)])
def test_a_range_that_is_empty_or_cannot_be_kept_is_refused(start: int, end: int) -> None:
    with pytest.raises(InputError):
        check_range(start, end)
