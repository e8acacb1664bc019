"""A compiled scanner of the messages that nearly all are: flat JSON objects of plain text and plain numbers.

It accepts a subset of what the codec accepts and reads that subset to the same values; whatever else a message holds
(escapes, exponents, nested values, numbers in quotes, a key that comes twice, a value that is out of bounds) makes it
hand the message back, to be read or refused by the codec one at a time. So it never has to say what is wrong.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tapewatch.model import times
from tapewatch.model.times import LONGEST_INTERVAL_NS
from tapewatch.tape import plain_values
from tapewatch.tape.compiled import compiled, kept
from tapewatch.tape.plain_values import (
    CLOSE,
    HARD,
    HEARTBEAT,
    ID,
    ID_KIND,
    INTERVAL,
    INTERVAL_NS,
    LOCAL,
    OPEN,
    PRICE,
    REFUSED,
    SIDE,
    SIGN,
    SIZE,
    SOURCE,
    SPANS,
    SYMBOL,
    TIME_NS,
    TIMESTAMP,
    TRADE_HASH,
    TRADE_ID,
    UNKNOWN,
    VENUE,
    VOLUME,
    WHOLE_SIZE,
    Bytes,
    Values,
    Whole,
    digits_to_int,
    field_of,
    number_at,
    read_time,
    side_of,
    skip_space,
    skip_value,
    text_end,
)

HANDED_BACK, BAR, TRADE, BEAT = 0, 1, 2, 3
"""What a message was found to be."""
NO_ID, NUMBERED, HASHED = 0, 1, 2
"""What `id_number` of a trade is: nothing, the id itself, or its hash."""
_EXACT_INT, _EXACT_POWER = 2**53, 22  # within both, one division rounds as if it were exact (Clinger 1990)
_POWERS = 10.0 ** np.arange(_EXACT_POWER + 1)
_LONGEST_NUMBER = 64
_PROBES = 64  # beyond so many, names collide on purpose, or nearly: such messages are handed back
_BAR_FIELDS = 1 << OPEN | 1 << (OPEN + 1) | 1 << (OPEN + 2) | 1 << CLOSE | 1 << VOLUME
_TRADE_FIELDS = 1 << PRICE | 1 << SIZE
_TICK = 1 << SYMBOL | 1 << TIMESTAMP
_TRADE_IDS = 1 << TRADE_ID | 1 << TRADE_HASH
_ANY_BAR = _TICK | 1 << VENUE | 1 << SOURCE | _BAR_FIELDS | 1 << INTERVAL
_ANY_TRADE = _TICK | 1 << VENUE | 1 << SOURCE | _TRADE_FIELDS | 1 << SIDE | _TRADE_IDS
_ANY_BEAT = 1 << HEARTBEAT | 1 << SOURCE


class Scanned(NamedTuple):
    """n messages as columns; rows of messages that were handed back mean nothing.

    `found` is one of HANDED_BACK, BAR, TRADE, BEAT. `name_id` numbers the distinct texts of venue and symbol in the
    order in which they were first seen, -1 for a heartbeat; `names` has a row for each: first message, start and end of
    the symbol, start and end of the venue (-1 where there is none). `values` has open, high, low, close, volume.
    `hard` is not 0 where a number's rounding takes more than a division: 64 * its start + its length.
    """

    found: NDArray[np.int8]
    name_id: NDArray[np.int32]
    names: NDArray[np.int64]
    time_ns: NDArray[np.int64]
    local: NDArray[np.bool_]
    interval_ns: NDArray[np.int64]
    values: NDArray[np.float64]
    side: NDArray[np.int8]
    id_number: NDArray[np.int64]
    id_kind: NDArray[np.int8]
    hard: NDArray[np.int64]


def scan(data: bytes, starts: NDArray[np.int64], interval_ns: int) -> Scanned:
    """Scan messages; `interval_ns` is the length of a bar that does not say it.

    About 0.5 to 1.5 us a message of 120 bytes, by the machine.
    """
    n = starts.size - 1
    out = Scanned(
        found=np.zeros(n, np.int8),
        name_id=np.full(n, -1, np.int32),
        names=np.empty((n, 5), np.int64),
        time_ns=np.zeros(n, np.int64),
        local=np.zeros(n, np.bool_),
        interval_ns=np.zeros(n, np.int64),
        values=np.zeros((5, n)),
        side=np.zeros(n, np.int8),
        id_number=np.zeros(n, np.int64),
        id_kind=np.zeros(n, np.int8),
        hard=np.zeros((5, n), np.int64),
    )
    slots = np.full(1 << max(2 * n - 1, 1).bit_length(), -1, np.int32)
    known = kept(_scan, __name__, plain_values.__name__, times.__name__)(
        np.frombuffer(data, np.uint8), starts, interval_ns, out, slots
    )
    for column, row in np.argwhere(out.hard).tolist():
        start, size = divmod(int(out.hard[column, row]), _LONGEST_NUMBER)
        out.values[column, row] = float(data[start : start + size])
    return out._replace(names=out.names[:known])


@compiled
def _scan(data: Bytes, starts: NDArray[np.int64], default_ns: int, out: Scanned, slots: NDArray[np.int32]) -> int:
    """Fill `out`; return how many distinct names there are."""
    known = 0
    whole, values = np.zeros(WHOLE_SIZE, np.int64), np.zeros(5)
    for at in range(starts.size - 1):
        whole[:] = 0
        whole[INTERVAL_NS] = default_ns
        kind = _kind(_fields(data, starts[at], starts[at + 1], whole, values))
        if kind == HANDED_BACK or (kind != BEAT and values[4] < 0) or (kind == BEAT and whole[LOCAL]):
            continue
        number = -1
        if kind != BEAT:
            number = _name(data, whole, out.names, known, slots)
            if number < 0:
                continue
            if number == known:
                out.names[known, 0] = at
                out.names[known, 1:] = whole[SPANS : SPANS + 4]
                known += 1
        if kind == TRADE:  # a bar of one price
            values[:3] = values[3]
            whole[HARD : HARD + 3] = whole[HARD + 3]
        out.found[at], out.name_id[at] = kind, number
        out.time_ns[at], out.local[at] = whole[TIME_NS], whole[LOCAL] != 0
        out.interval_ns[at] = whole[INTERVAL_NS] if kind == BAR else 0
        out.side[at], out.id_number[at], out.id_kind[at] = whole[SIGN], whole[ID], whole[ID_KIND]
        if kind == BEAT:
            out.values[4, at] = np.nan
        else:
            for column in range(5):
                out.values[column, at] = values[column]
                if whole[HARD + column]:
                    out.hard[column, at] = whole[HARD + column]
    return known


@compiled
def _fields(data: Bytes, start: int, end: int, whole: Whole, values: Values) -> int:
    """A bit for each field of the object that fills [start, end); -1 where something in it is not plain."""
    i = skip_space(data, start, end)
    if i >= end or data[i] != 123:
        return -1
    i = skip_space(data, i + 1, end)
    whole[SPANS + 2] = whole[SPANS + 3] = -1
    seen = 0
    while True:
        stop = text_end(data, i + 1, end) if i < end and data[i] == 34 else -1
        field = field_of(data, i + 1, stop) if stop >= 0 else REFUSED
        if field == REFUSED or (field != UNKNOWN and seen >> field & 1):
            return -1
        i = skip_space(data, stop + 1, end)
        if i >= end or data[i] != 58:
            return -1
        seen |= 1 << field
        i = _value(data, skip_space(data, i + 1, end), end, field, whole, values)
        if i < 0:
            return -1
        i = skip_space(data, i, end)
        if i < end and data[i] == 44:
            i = skip_space(data, i + 1, end)
        elif i < end and data[i] == 125 and skip_space(data, i + 1, end) == end:
            return seen & ~(1 << UNKNOWN)
        else:
            return -1


@compiled
def _value(data: Bytes, i: int, end: int, field: int, whole: Whole, values: Values) -> int:
    """Read the value at i of a field; where it ends, -1 where it is not plain."""
    if OPEN <= field <= VOLUME or field in (PRICE, SIZE):
        return _number(data, i, end, 3 if field == PRICE else 4 if field == SIZE else field - OPEN, whole, values)
    if field in (TIMESTAMP, HEARTBEAT):
        return read_time(data, i, end, whole)
    if field in (TRADE_ID, TRADE_HASH):
        return _trade_id(data, i, end, field == TRADE_HASH, whole)
    if field == INTERVAL:
        i, number, places, negative = number_at(data, i, end)
        whole[INTERVAL_NS] = number
        return -1 if places or negative or not 0 < number <= LONGEST_INTERVAL_NS else i
    if field == UNKNOWN:
        return skip_value(data, i, end)
    stop = text_end(data, i + 1, end) if i < end and data[i] == 34 else -1
    if stop < 0:
        return -1
    if field == SIDE:
        whole[SIGN] = side_of(data, i + 1, stop)
        return stop + 1 if whole[SIGN] else -1
    if field in (SYMBOL, VENUE):
        which = SPANS if field == SYMBOL else SPANS + 2
        whole[which], whole[which + 1] = i + 1, stop
    return stop + 1


@compiled
def _kind(fields: int) -> int:
    if fields < 0:
        return HANDED_BACK
    if fields & _ANY_BAR == fields and fields & (_TICK | _BAR_FIELDS) == _TICK | _BAR_FIELDS:
        return BAR
    if fields & _ANY_TRADE == fields and fields & (_TICK | _TRADE_FIELDS) == _TICK | _TRADE_FIELDS:
        return HANDED_BACK if fields & _TRADE_IDS == _TRADE_IDS else TRADE
    if fields & _ANY_BEAT == fields and fields >> HEARTBEAT & 1:
        return BEAT
    return HANDED_BACK


@compiled
def _number(data: Bytes, i: int, end: int, column: int, whole: Whole, values: Values) -> int:
    start = i
    if column == 4 and i < end and data[i] == 110:  # null: the feed does not tell the volume
        values[4] = np.nan
        return skip_value(data, i, end)
    i, number, places, negative = number_at(data, i, end)
    if i < 0 or (number == 0 and negative) or i - start >= _LONGEST_NUMBER:
        return -1
    value = float(number)
    if places and number <= _EXACT_INT and places <= _EXACT_POWER:
        value /= _POWERS[places]
    elif places:
        whole[HARD + column] = start * _LONGEST_NUMBER + (i - start)
    values[column] = -value if negative else value
    return i


@compiled
def _trade_id(data: Bytes, i: int, end: int, is_hash: bool, whole: Whole) -> int:
    """Where the id at i ends; -1 where it is not a number of at most 18 digits (a hash: any int64 but the least)."""
    negative = False
    if i < end and data[i] == 34:
        stop = text_end(data, i + 1, end)
        number = digits_to_int(data, i + 1, stop - i - 1) if 0 < stop - i - 1 <= 18 else -1
        i = stop + 1 if number >= 0 and not is_hash else -1
    else:
        i, number, places, negative = number_at(data, i, end)
        if places or (negative and (number == 0 or not is_hash)) or (number >= 10**18 and not is_hash):
            return -1
    whole[ID] = -number if negative else number
    whole[ID_KIND] = HASHED if is_hash else NUMBERED
    return i


@compiled
def _name(data: Bytes, whole: Whole, names: NDArray[np.int64], known: int, slots: NDArray[np.int32]) -> int:
    """The number of a pair of symbol and venue: `known` where it is new, -1 where too many others are in its way."""
    hashed = np.uint64(14695981039346656037)  # FNV-1a
    for part in range(2):
        for i in range(whole[SPANS + 2 * part], whole[SPANS + 2 * part + 1]):
            hashed = (hashed ^ np.uint64(data[i])) * np.uint64(1099511628211)
        hashed = (hashed ^ np.uint64(256 + part)) * np.uint64(1099511628211)
    hashed ^= hashed >> np.uint64(29)
    for probe in range(_PROBES):
        slot = (hashed + np.uint64(probe)) & np.uint64(slots.size - 1)
        number = slots[slot]
        if number < 0:
            slots[slot] = known
            return known
        if _same(data, whole, names, number):
            return int(number)
    return -1


@compiled
def _same(data: Bytes, whole: Whole, names: NDArray[np.int64], number: int) -> bool:
    for part in range(2):
        a, b = whole[SPANS + 2 * part], names[number, 1 + 2 * part]
        size = whole[SPANS + 2 * part + 1] - a
        if size != names[number, 2 + 2 * part] - b or (a < 0) != (b < 0):
            return False
        for i in range(size):
            if data[a + i] != data[b + i]:
                return False
    return True
