"""Naive local times, against Python's own reading."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewatch.model.errors import InputError
from tapewatch.model.times import SECOND_NS, datetime_to_ns
from tapewatch.model.zones import check_zone, read_local

ZONES = ("America/New_York", "Europe/London", "Asia/Tokyo", "Australia/Lord_Howe", "UTC", "America/Sao_Paulo")
_near_changes = st.sampled_from(
    [datetime(2025, 3, 9, 2), datetime(2025, 11, 2, 1), datetime(2025, 3, 30, 1), datetime(2025, 10, 26, 1)]  # noqa: DTZ001  # naive on purpose
)
_naive = st.one_of(
    st.datetimes(datetime(1950, 1, 1), datetime(2200, 1, 1)),  # noqa: DTZ001  # naive on purpose
    st.builds(lambda d, m: d + timedelta(minutes=m), _near_changes, st.integers(-180, 180)),
)


@given(st.lists(_naive, min_size=1, max_size=10), st.sampled_from(ZONES))
def test_a_column_is_read_as_python_reads_each_time(moments: list[datetime], zone: str) -> None:
    moments = [m.replace(microsecond=0) for m in moments]
    local = np.array([datetime_to_ns(m.replace(tzinfo=UTC)) for m in moments])
    reading = read_local(local, zone)
    for i, moment in enumerate(moments):
        early, late = (moment.replace(tzinfo=ZoneInfo(zone), fold=fold) for fold in (0, 1))
        back = early.astimezone(UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        missing = reading.missing is not None and bool(reading.missing[i])
        assert missing == (back != moment)
        if not missing:
            assert reading.utc_ns[i] == datetime_to_ns(early.astimezone(UTC))
            later_by = 0 if reading.later_by_ns is None else int(reading.later_by_ns[i])
            assert reading.utc_ns[i] + later_by == datetime_to_ns(late.astimezone(UTC))


def test_the_hour_that_comes_twice_is_named_by_its_first_time() -> None:
    local = np.array([datetime_to_ns(datetime(2025, 11, 2, 1, 30, tzinfo=UTC))])
    reading = read_local(local, "America/New_York")
    assert reading.hour_ns is not None
    assert reading.hour_ns[0] == local[0] - 1800 * SECOND_NS


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd", "America"])
def test_an_unknown_zone_is_an_error(zone: str) -> None:
    with pytest.raises(InputError, match="time zone"):
        check_zone(zone)
