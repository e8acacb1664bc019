"""Times as reports print them, in the zone that the request names."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from tapewatch.model.times import SECOND_NS, format_rfc3339

_QUARTER_S, _DAY_S = 900, 86_400


class LocalTimes:
    """Writes times of one zone, fast where they come in order.

    The offset is looked up once for each quarter of an hour of UTC: zones change theirs on such quarters only (since
    1972, when Liberia gave up the last odd one).
    """

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._quarter: int | None = None
        self._offset_s = 0
        self._suffix = ""
        self._day: int | None = None
        self._date = ""

    def rfc3339(self, ts_ns: int) -> str:
        """RFC 3339 with the zone's offset, with as many decimals as the time has (0, 3, 6 or 9)."""
        seconds, nanos = divmod(ts_ns, SECOND_NS)
        self._look_up(seconds)
        if nanos:
            return format_rfc3339(ts_ns + self._offset_s * SECOND_NS)[:-1] + self._suffix
        day, second = divmod(seconds + self._offset_s, _DAY_S)
        if day != self._day:
            self._day, self._date = day, datetime.fromtimestamp(day * _DAY_S, tz=UTC).strftime("%Y-%m-%dT")
        minute, second = divmod(second, 60)
        return f"{self._date}{minute // 60:02d}:{minute % 60:02d}:{second:02d}{self._suffix}"

    def text(self, ts_ns: int, pattern: str) -> str:
        """`strftime` of the local time."""
        seconds = ts_ns // SECOND_NS
        self._look_up(seconds)
        return datetime.fromtimestamp(seconds + self._offset_s, tz=UTC).strftime(pattern)

    def offset_ns(self, ts_ns: int) -> int:
        """What is to be added to a time to have the local clock's reading."""
        self._look_up(ts_ns // SECOND_NS)
        return self._offset_s * SECOND_NS

    def name(self, ts_ns: int) -> str:
        """The zone's short name at that time, e.g. EDT; its offset where it has none."""
        moment = datetime.fromtimestamp(ts_ns // SECOND_NS, tz=self._zone)
        return moment.strftime("%Z")

    def _look_up(self, seconds: int) -> None:
        quarter = seconds // _QUARTER_S
        if quarter == self._quarter:
            return
        offset = datetime.fromtimestamp(seconds, tz=self._zone).utcoffset()
        self._quarter = quarter
        self._offset_s = 0 if offset is None else int(offset.total_seconds())
        hours, minutes = divmod(abs(self._offset_s) // 60, 60)
        self._suffix = f"{'-' if self._offset_s < 0 else '+'}{hours:02d}:{minutes:02d}"
