"""Write `src/tapewatch/detection/calendars/sessions.json` from the package exchange-calendars.

    python tools/make_calendars.py            # rewrite the file
    python tools/make_calendars.py --check    # fail where it differs from what would be written

A calendar is stored as its weekly pattern (with the dates from which a change of hours holds) and the days that differ:
`closed` are days of the pattern without a session, `special` are days with other hours (half-days, Saturday sessions).
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import exchange_calendars as xc
import pandas as pd
from exchange_calendars.calendar_utils import _default_calendar_factories as default_calendars

TARGET = Path(__file__).parents[1] / "src/tapewatch/detection/calendars/sessions.json"
FIRST, LAST = "2000-01-01", "2027-12-31"
CALENDARS = """
XNYS XTSE XMEX BVMF XBUE XLON XDUB XETR XFRA XPAR XAMS XBRU XLIS XMIL XMAD XSWX XWBO XSTO XCSE XHEL XOSL XICE XWAR XPRA
XBUD XIST XSAU XJSE XTKS XHKG XSHG XKRX XTAI XSES XBOM XKLS XBKK XIDX XPHS XASX XNZE
"""


def _hours(calendar: Any, day: pd.Timestamp) -> str:
    """Local hours of one session as `09:30-16:00`, or `09:00-11:30,12:30-15:00` with a break."""
    row = calendar.schedule.loc[day]
    stamps = [row["open"], row["break_start"], row["break_end"], row["close"]]
    clock = [None if pd.isna(s) else s.tz_convert(calendar.tz).strftime("%H:%M") for s in stamps]
    if clock[1] is None:
        return f"{clock[0]}-{clock[3]}"
    return f"{clock[0]}-{clock[1]},{clock[2]}-{clock[3]}"


def _bounds(name: str) -> tuple[pd.Timestamp, pd.Timestamp]:
    kind = default_calendars[name]  # the class: building the calendar only to ask it takes a second
    first, last = kind.bound_min(), kind.bound_max()
    return (
        max(pd.Timestamp(FIRST), first) if first is not None else pd.Timestamp(FIRST),
        min(pd.Timestamp(LAST), last) if last is not None else pd.Timestamp(LAST),
    )


def _weekdays(days: pd.DatetimeIndex) -> str:
    """The weekdays with sessions in more than a quarter of the weeks, as 0 (Monday) to 6 (Sunday)."""
    counts = days.dayofweek.value_counts()
    return "".join(str(d) for d in range(7) if counts.get(d, 0) > counts.max() / 4)


def _patterns(hours: "pd.Series[str]") -> list[list[str]]:
    """[from date, hours, weekdays] wherever the usual hours of a quarter of a year change, dated to the first day."""
    found: list[list[str]] = []
    blocks = hours.groupby(pd.PeriodIndex(hours.index, freq="Q"))
    for _, block in blocks:
        usual, days = str(block.mode().iloc[0]), _weekdays(pd.DatetimeIndex(block.index))
        if not found or found[-1][1:] != [usual, days]:
            begin = block.index[0] if not found or found[-1][2] != days else block.index[block == usual][0]
            found.append([begin.strftime("%Y%m%d"), usual, days])
    return found


def calendar_entry(name: str) -> dict[str, Any]:
    """Pattern and exceptions of one exchange."""
    first, last = _bounds(name)
    calendar = xc.get_calendar(name, start=first, end=last)
    hours = pd.Series({day: _hours(calendar, day) for day in calendar.sessions})
    patterns = _patterns(hours)
    closed, special = [], {}
    for day in pd.date_range(first, last):
        _, usual, weekdays = [p for p in patterns if p[0] <= max(day.strftime("%Y%m%d"), patterns[0][0])][-1]
        key, expected = day.strftime("%Y%m%d"), usual if str(day.dayofweek) in weekdays else None
        if day not in hours.index and expected:
            closed.append(key)
        elif day in hours.index and hours[day] != expected:
            special[key] = hours[day]
    return {
        "zone": str(calendar.tz),
        "from": first.strftime("%Y%m%d"),
        "until": last.strftime("%Y%m%d"),
        "patterns": patterns,
        "closed": " ".join(closed),
        "special": special,
    }


def main() -> int:
    """Write the file, or compare with it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="fail where the file differs")
    check = parser.parse_args().check
    lines = [
        f"{json.dumps(n)}: {json.dumps(calendar_entry(n), separators=(',', ':'))}" for n in sorted(CALENDARS.split())
    ]
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    if check:
        return int(TARGET.read_text() != text)
    TARGET.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
