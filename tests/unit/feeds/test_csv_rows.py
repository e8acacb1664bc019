"""Bad rows, clock changes, order and heartbeats."""

from pathlib import Path

import pytest

from tapewatch.feeds.csv_settings import CsvSettings
from tapewatch.model.ticks import Kind
from tests.unit.feeds.helpers import bars, read_files

T = 1744034400  # 2025-04-07T14:00:00Z


def local(*times: str) -> str:
    return bars([f"{t},TSLA,1,1,1,1,1" for t in times])


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("1744034460,A,x,1,1,1,1", "open is not a number: 'x'"),
        ("1744034460,A,1,NaN,1,1,1", "high is not a number: 'NaN'"),
        ("1744034460,A,1,1,inf,1,1", "low is not a number: 'inf'"),
        (
            "1744034460,A,1,1,1,1.7976931348623157e308,1",
            "close is too large or too small for one: '1.7976931348623157e308'",
        ),
        ("1744034460,A,1,1,-1e-320,1,1", "low is too large or too small for one: '-1e-320'"),
        ("1744034460,A,1,1,1,,1", "close is missing"),
        ("1744034460,A,1,1,1,1,-1", "volume is negative: '-1'"),
        ("1744034460,,1,1,1,1,1", "symbol is missing"),
        (",A,1,1,1,1,1", "time is missing"),
        ("soon,A,1,1,1,1,1", "time is not readable: 'soon'"),
        ("2025-02-30 10:00:00,A,1,1,1,1,1", "time is not readable: '2025-02-30 10:00:00'"),
        ("1744034460,A,1,1,1,1", "6 columns instead of 7"),
        ("1744034460,A,1,1,1,1,1,1", "8 columns instead of 7"),
        ('1744034460,"A,1,1,1,1,1', "not a row of CSV: a stray quote or carriage return"),
        ('1744034460,A,1,1,1,1,1"', "not a row of CSV: a stray quote or carriage return"),
        ('1744034460,"A"x,1,1,1,1,1', "not a row of CSV: a stray quote or carriage return"),
        ("1744034460,A,1,1\r1,1,1", "not a row of CSV: a stray quote or carriage return"),
        ("99999999999999999999,A,1,1,1,1,1", "time is not readable: '99999999999999999999'"),
    ],
)
def test_a_bad_row_is_one_dead_letter_in_its_place_and_the_rest_goes_on(tmp_path: Path, row: str, reason: str) -> None:
    text = bars([f"{T},A,1,1,1,1,1", "", row, f"{T + 60},A,2,2,2,2,2"])
    read = read_files(tmp_path, {"x.csv": text})
    assert [(d.source, d.position, d.reason, d.raw) for d in read.dead] == [("x.csv", 4, reason, row)]
    assert read.dead[0].offset == 1
    assert read.of(Kind.BAR).close.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("row", ["0,0,0,0,0", "-1,-1,-1,-1,0", "1,1,2,1,0", "1e-9,1e9,1,1,0"])
def test_impossible_but_readable_prices_are_left_to_the_detector(tmp_path: Path, row: str) -> None:
    read = read_files(tmp_path, {"x.csv": bars([f"{T},A,{row}"])})
    assert (len(read.dead), len(read.of(Kind.BAR))) == (0, 1)


def test_bytes_that_are_not_text_cost_one_row(tmp_path: Path) -> None:
    text = bars([f"{T},A,1,1,1,1,1", f"{T},A,@,1,1,1,1", f"{T + 60},A,1,1,1,1,1"]).encode().replace(b"@", b"\xff\xfe")
    read = read_files(tmp_path, {"x.csv": text})
    assert (len(read.dead), len(read.of(Kind.BAR))) == (1, 2)


def test_names_that_are_not_utf_8_are_not_taken_for_one_another(tmp_path: Path) -> None:
    rows = bars([f"{T},ACIA,1,1,1,1,1", f"{T},A\u00c9,1,1,1,1,1", f"{T},A\u00c8,2,2,2,2,2"])
    read = read_files(tmp_path, {"x.csv": rows.encode("latin-1")})
    assert read.names() == ["XNAS:ACIA"]
    assert [d.reason for d in read.dead] == ["symbol is not UTF-8, save the file as UTF-8: 'A\ufffd'"] * 2


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ("2025/04/07,25:99", "time is not readable: '2025/04/07 25:99'"),
        ("2025/04/07,", "time is not readable: '2025/04/07'"),
        (",10:00", "time is not readable: '10:00'"),
        (",", "time is missing"),
    ],
)
def test_a_date_and_a_clock_are_shown_together(tmp_path: Path, cells: str, reason: str) -> None:
    text = f"Symbol,Date,Time,Price,Volume\nA,2025/04/07,10:00,1.5,2\nA,{cells},1.5,2\n"
    read = read_files(tmp_path, {"x.csv": text})
    assert [d.reason for d in read.dead] == [reason]


def test_the_hour_that_comes_twice_is_told_apart_by_the_clock_going_back(tmp_path: Path) -> None:
    hour = [f"2025-11-02 01:{minute:02}:00" for minute in range(0, 60, 10)]
    read = read_files(tmp_path, {"x.csv": local("2025-11-02 00:50:00", *hour, *hour, "2025-11-02 02:00:00")})
    first = ["2025-11-02T04:50:00Z"] + [f"2025-11-02T05:{m:02}:00Z" for m in range(0, 60, 10)]
    later = [f"2025-11-02T06:{m:02}:00Z" for m in range(0, 60, 10)] + ["2025-11-02T07:00:00Z"]
    assert read.times() == first + later


@pytest.mark.parametrize("block_bytes", [40, 200, None])
def test_the_pass_is_followed_by_symbol_and_across_blocks(tmp_path: Path, block_bytes: int | None) -> None:
    times = ["2025-11-02 01:10:00", "2025-11-02 01:40:00", "2025-11-02 01:10:00", "2025-11-02 01:40:00"]
    interleaved = bars([f"{t},{s},1,1,1,1,1" for t in times for s in "AB"] + ["2025-11-02 01:50:00,NEW,1,1,1,1,1"])
    grouped = bars([f"{t},{s},1,1,1,1,1" for s in "AB" for t in ("2025-11-02 00:59:00", *times)])
    expected = ["2025-11-02T05:10:00Z", "2025-11-02T05:40:00Z", "2025-11-02T06:10:00Z", "2025-11-02T06:40:00Z"]
    settings = CsvSettings(interval_ns=60_000_000_000)
    read = read_files(tmp_path, {"x.csv": interleaved}, settings, block_bytes)
    assert read.times() == [t for t in expected for _ in "AB"] + ["2025-11-02T06:50:00Z"]
    read = read_files(tmp_path, {"x.csv": grouped}, settings, block_bytes)
    assert read.times() == ["2025-11-02T04:59:00Z", *expected] * 2


def test_hourly_bars_repeat_the_hour_with_equal_times(tmp_path: Path) -> None:
    hours = ["2025-11-02 00:00:00", "2025-11-02 01:00:00", "2025-11-02 01:00:00", "2025-11-02 02:00:00"]
    read = read_files(tmp_path, {"x.csv": local(*hours)})
    assert read.times() == [f"2025-11-02T0{h}:00:00Z" for h in (4, 5, 6, 7)]


def test_a_time_that_the_clock_skipped_is_a_dead_letter(tmp_path: Path) -> None:
    read = read_files(tmp_path, {"x.csv": local("2025-03-09 01:59:00", "2025-03-09 02:30:00", "2025-03-09 03:00:00")})
    assert read.times() == ["2025-03-09T06:59:00Z", "2025-03-09T07:00:00Z"]
    assert "does not exist in America/New_York" in read.reasons()[0]
    assert (read.dead[0].position, read.dead[0].raw) == (3, "2025-03-09 02:30:00,TSLA,1,1,1,1,1")


def test_files_merge_by_acting_time_then_file_then_row_and_late_rows_stay_late(tmp_path: Path) -> None:
    a = "time,symbol,price\n" + "".join(f"{T + s},A{s},1\n" for s in (0, 5, 2, 9))  # 2 is late: it stays after 5
    b = "time,symbol,price\n" + "".join(f"{T + s},B{s},1\n" for s in (0, 3, 5, 6))
    late = f"time,symbol,price\n{T + 4},C4,1\n"
    read = read_files(tmp_path, {"a.csv": a, "b.csv": b, "c.csv": late})
    names = [n.removeprefix("XNAS:") for n in read.names()]
    assert names == ["A0", "B0", "B3", "C4", "A5", "A2", "B5", "B6", "A9"]


def test_bars_merge_by_their_end(tmp_path: Path) -> None:
    minute = bars([f"{T + 60 * i},M,1,1,1,1,1" for i in range(5)])
    trade = f"time,symbol,price\n{T + 60},T,1\n{T + 61},T,1\n"
    read = read_files(tmp_path, {"t.csv": trade, "m.csv": minute})
    assert [n[-1] for n in read.names()] == ["T", "M", "T", "M", "M", "M", "M"]


def test_heartbeats_stand_before_the_record_that_crosses_the_grid_and_once_after_the_end(tmp_path: Path) -> None:
    times = ("0.5", "0.9", "1.0", "3.7", "2.0", "4.2")
    text = "time,symbol,price\n" + "".join(f"{T + float(s)},A,1\n" for s in times)
    read = read_files(tmp_path, {"x.csv": text})
    kinds = "".join("TBH"[k] for k in read.ticks.kind)
    assert kinds == "TTHTHTTHTH"
    assert read.times(Kind.HEARTBEAT) == [f"2025-04-07T14:00:0{s}Z" for s in (1, 3, 4, 5)]
    assert read.ticks.symbol_id[read.ticks.kind == Kind.HEARTBEAT].tolist() == [-1] * 4


def test_a_header_alone_is_a_tape_without_records(tmp_path: Path) -> None:
    text = bars([f"{T},A,1,1,1,1,1"])
    assert read_files(tmp_path, {"none.csv": bars([]), "one.csv": text}).names() == ["XNAS:A"]
