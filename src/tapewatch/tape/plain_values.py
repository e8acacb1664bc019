"""The parts of a plain message, compiled: where texts and numbers end, which field a key names, days of a date."""

import numpy as np
from numpy.typing import NDArray

from tapewatch.model.times import DAY_NS, FIRST_YEAR, LAST_YEAR, LIMIT_NS, MINUTE_NS
from tapewatch.tape.compiled import compiled

Bytes = NDArray[np.uint8]
Whole = NDArray[np.int64]
"""What is read of one message in whole numbers, by the positions below."""
Values = NDArray[np.float64]
"""Open, high, low, close, volume of one message."""
TIME_NS, LOCAL, INTERVAL_NS, SIGN, ID, ID_KIND, HARD, SPANS, WHOLE_SIZE = 0, 1, 2, 3, 4, 5, 6, 11, 15

REFUSED, UNKNOWN = -1, 0
SYMBOL, VENUE, TIMESTAMP, OPEN, CLOSE, VOLUME = 1, 2, 3, 4, 7, 8  # high and low stand between open and close
INTERVAL, PRICE, SIZE, SIDE, TRADE_ID, HEARTBEAT, SOURCE, TRADE_HASH = 9, 10, 11, 12, 13, 14, 15, 16

_NAMES = {
    "symbol": SYMBOL,
    "venue": VENUE,
    "timestamp": TIMESTAMP,
    "open": OPEN,
    "high": OPEN + 1,
    "low": OPEN + 2,
    "close": CLOSE,
    "volume": VOLUME,
    "interval_ns": INTERVAL,
    "price": PRICE,
    "size": SIZE,
    "side": SIDE,
    "trade_id": TRADE_ID,
    "trade_id_hash": TRADE_HASH,
    "heartbeat": HEARTBEAT,
    "source": SOURCE,
    "dead": REFUSED,
}
_LONGEST = max(map(len, _NAMES))
_WORDS = np.zeros((len(_NAMES), _LONGEST), np.uint8)
_FIELDS = np.array(list(_NAMES.values()), np.int8)
_ROWS = np.full((_LONGEST + 1, 32), -1, np.int8)  # by length and third letter: no two names share both
for _row, _name in enumerate(_NAMES):
    _WORDS[_row, : len(_name)] = list(_name.encode())
    _ROWS[len(_name), ord(_name[2]) % 32] = _row
_MONTH_ENDS = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
NO_DAY = -(2**40)
_MOST = (2**63 - 1 - 9) // 10  # one more digit still fits int64


@compiled
def skip_space(data: Bytes, i: int, end: int) -> int:
    """The next position from i on that is no white space."""
    while i < end and (data[i] == 32 or data[i] == 10 or data[i] == 13 or data[i] == 9):
        i += 1
    return i


@compiled
def text_end(data: Bytes, i: int, end: int) -> int:
    """Where the quote stands that ends a text of printable ASCII without escapes; -1 where it is another text."""
    while i < end:
        byte = data[i]
        if byte == 34:
            return i
        if byte < 32 or byte > 126 or byte == 92:
            return -1
        i += 1
    return -1


@compiled
def field_of(data: Bytes, a: int, b: int) -> int:
    """The field that a key names, UNKNOWN for a key that is let pass, REFUSED for one that is not read here."""
    size = b - a
    if size < 3 or size > _LONGEST:
        return UNKNOWN
    row = _ROWS[size, data[a + 2] & 31]
    if row < 0:
        return UNKNOWN
    for i in range(size):
        if data[a + i] != _WORDS[row, i]:
            return UNKNOWN
    return int(_FIELDS[row])


@compiled
def number_at(data: Bytes, i: int, end: int) -> tuple[int, int, int, bool]:
    """A JSON number without an exponent: (where it ends, its digits as a whole number, decimal places, its sign).

    The end is -1 where it is none, or has more digits than fit.
    """
    negative = i < end and data[i] == 45
    if negative:
        i += 1
    first, whole, places = i, 0, 0
    while i < end and 48 <= data[i] <= 57:
        if whole > _MOST:
            return -1, 0, 0, False
        whole = whole * 10 + (data[i] - 48)
        i += 1
    if i == first or (data[first] == 48 and i - first > 1):
        return -1, 0, 0, False
    if i < end and data[i] == 46:
        i += 1
        while i < end and 48 <= data[i] <= 57:
            if whole > _MOST:
                return -1, 0, 0, False
            whole = whole * 10 + (data[i] - 48)
            i, places = i + 1, places + 1
        if places == 0:
            return -1, 0, 0, False
    if i < end and (data[i] == 101 or data[i] == 69):
        return -1, 0, 0, False
    return i, whole, places, negative


@compiled
def skip_value(data: Bytes, i: int, end: int) -> int:
    """Where a plain text, a plain number, true, false or null ends; -1 where another value stands."""
    if i >= end:
        return -1
    if data[i] == 34:
        stop = text_end(data, i + 1, end)
        return stop + 1 if stop >= 0 else -1
    for word in (b"true", b"false", b"null"):
        if i + len(word) <= end:
            same = True
            for k in range(len(word)):
                same &= data[i + k] == word[k]
            if same:
                return i + len(word)
    return number_at(data, i, end)[0]


@compiled
def digits_to_int(data: Bytes, a: int, size: int) -> int:
    """`size` (at most 18) digits as a number; far below zero where one is not a digit."""
    number = 0
    for i in range(a, a + size):
        if data[i] < 48 or data[i] > 57:
            return -(2**40)
        number = number * 10 + (data[i] - 48)
    return number


@compiled
def days_of(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 of a date of 1680 to 2260 (Hinnant's days_from_civil); NO_DAY where there is none."""
    if not (FIRST_YEAR <= year <= LAST_YEAR and 1 <= month <= 12):
        return NO_DAY
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if not 1 <= day <= _MONTH_ENDS[month - 1] + (1 if leap and month == 2 else 0):
        return NO_DAY
    y = year - (1 if month <= 2 else 0)
    era = y // 400
    of_era = y - era * 400
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468


@compiled
def side_of(data: Bytes, a: int, b: int) -> int:
    """1 for a buy, -1 for a sell, 0 for a word that is not one of theirs here."""
    size = b - a
    for word, sign in ((b"buy", 1), (b"sell", -1)):
        if size == len(word) or size == 1:
            same = True
            for k in range(size):
                same &= (data[a + k] | 32) == word[k]
            if same:
                return sign
    return 0


@compiled
def read_time(data: Bytes, i: int, end: int, whole: Whole) -> int:
    """Where the time at i ends, written down; -1 where it is neither a plain ISO time nor a plain epoch."""
    if i < end and data[i] == 34:
        stop = text_end(data, i + 1, end)
        return stop + 1 if stop >= 0 and _iso(data, i + 1, stop, whole) else -1
    i, number, places, negative = number_at(data, i, end)
    if i < 0 or places or negative or number < 10**8:  # smaller ones may be dates
        return -1
    unit = 10**9 if number < 10**10 else 10**6 if number < 10**13 else 10**3 if number < 10**16 else 1
    if number > LIMIT_NS // unit:
        return -1
    whole[TIME_NS] = number * unit
    return i


@compiled
def _iso(data: Bytes, a: int, b: int, whole: Whole) -> bool:
    """Whether [a, b) is `YYYY-MM-DD HH:MM:SS` with T or a space, a fraction, an offset; then the time is written."""
    if b - a < 19 or data[a + 4] != 45 or data[a + 7] != 45 or data[a + 13] != 58 or data[a + 16] != 58:
        return False
    if data[a + 10] not in (84, 32):
        return False
    days = days_of(digits_to_int(data, a, 4), digits_to_int(data, a + 5, 2), digits_to_int(data, a + 8, 2))
    hour, minute = digits_to_int(data, a + 11, 2), digits_to_int(data, a + 14, 2)
    second = digits_to_int(data, a + 17, 2)
    if days == NO_DAY or not (0 <= hour <= 23 and 0 <= minute <= 59 and 0 <= second <= 59):
        return False
    i, nanos = _fraction(data, a + 19, b)
    if i < 0:
        return False
    away = 0  # minutes
    whole[LOCAL] = i == b
    if i + 1 == b and data[i] == 90:
        i = b
    elif i + 6 == b and data[i] in (43, 45) and data[i + 3] == 58:
        away_h, away_m = digits_to_int(data, i + 1, 2), digits_to_int(data, i + 4, 2)
        if not (0 <= away_h <= 23 and 0 <= away_m <= 59):
            return False
        away = (away_h * 60 + away_m) * (1 if data[i] == 43 else -1)
        i = b
    whole[TIME_NS] = days * DAY_NS + (hour * 60 + minute - away) * MINUTE_NS + second * 10**9 + nanos
    return i == b


@compiled
def _fraction(data: Bytes, i: int, b: int) -> tuple[int, int]:
    """Where the decimals of a second end that may stand at i, and how many ns they are; -1 where no digit follows."""
    if i >= b or data[i] != 46:
        return i, 0
    nanos, size = 0, 0
    i += 1
    while i < b and 48 <= data[i] <= 57 and size < 9:
        nanos = nanos * 10 + (data[i] - 48)
        i, size = i + 1, size + 1
    return (i if size else -1), nanos * 10 ** (9 - size)
