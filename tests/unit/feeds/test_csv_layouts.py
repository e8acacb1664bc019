"""Every shape of file that the feed promises to recognise."""

import gzip
import io
import os
from pathlib import Path

import numpy as np
import pytest

from tapewatch.feeds.csv import open_csv
from tapewatch.feeds.csv_settings import CsvSettings, parse_mapping
from tapewatch.model.errors import InputError
from tapewatch.model.ticks import Kind
from tapewatch.model.times import MINUTE_NS
from tests.unit.feeds.helpers import bars, gather, read_files, write, zone_of

KLINE = "1,2,0.5,1.5,10,1738368059999,1,1,1,1,0"
KLINE_HEADER = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore"
)


def test_prototype_file_with_padding_takes_symbol_from_its_name_and_time_from_the_exchange(tmp_path: Path) -> None:
    text = (
        "timestamp          , open    , high    , low     , close   , volume\r\n"
        "2025-04-07 04:00:00, 218.0400, 222.2300, 214.8000, 215.5000,    56581\r\n"
        "2025-04-07 04:01:00, 215.5000, 218.6700, 215.2300, 218.6700,    28711\r\n"
    )
    read = read_files(tmp_path, {"TSLA_1min_sample.csv": text})
    assert read.names() == ["XNAS:TSLA", "XNAS:TSLA"]
    assert read.times() == ["2025-04-07T08:00:00Z", "2025-04-07T08:01:00Z"]
    bar = read.of(Kind.BAR)
    assert (bar.open[0], bar.high[0], bar.low[0], bar.close[0], bar.volume[0]) == (218.04, 222.23, 214.8, 215.5, 56581)
    assert set(bar.interval_ns.tolist()) == {MINUTE_NS}


@pytest.mark.parametrize("header", ["", KLINE_HEADER + "\n"])
@pytest.mark.parametrize("unit", [1, 1000])
def test_binance_klines_with_and_without_header_in_ms_and_us(tmp_path: Path, header: str, unit: int) -> None:
    rows = "".join(f"{(1738368000000 + 60_000 * i) * unit},{KLINE}\n" for i in range(2))
    read = read_files(tmp_path, {"BTCUSDT-1m-2025-02.csv": header + rows})
    assert read.names() == ["binance:BTC/USDT"] * 2
    assert read.times() == ["2025-02-01T00:00:00Z", "2025-02-01T00:01:00Z"]


def test_binance_trade_dump_without_header_tells_the_taker_from_the_maker(tmp_path: Path) -> None:
    text = "1,10.5,3,31,1738368000000,true,true\n2,10.6,4,42,1738368000001,False,true\n"
    ticks = read_files(tmp_path, {"ETHBTC-trades-2025-02.csv": text}).of(Kind.TRADE)
    assert str(ticks.symbols[0]) == "binance:ETH/BTC"
    assert ticks.side.tolist() == [-1, 1]
    assert len(set(ticks.trade_id_hash.tolist())) == 2
    assert ticks.volume.tolist() == [3.0, 4.0]


def test_yahoo_rows_with_offset_and_a_dividend_row_that_has_no_prices(tmp_path: Path) -> None:
    text = (
        "Datetime,Open,High,Low,Close,Volume,Dividends,Stock Splits,Adj Close\n"
        "2019-12-20 09:29:00-05:00,1,1,1,1,5.0,0.0,0.0,\n"
        "2019-12-20 09:30:00-05:00,,,,,,1.57,0.0,\n"
        "2019-12-20 09:31:00-05:00,2,2,2,2,5.0,0.0,0.0,\n"
    )
    read = read_files(tmp_path, {"SPY.csv.gz": gzip.compress(text.encode())})
    assert read.times() == ["2019-12-20T14:29:00Z", "2019-12-20T14:31:00Z"]
    assert [(d.source, d.position, d.reason) for d in read.dead] == [("SPY.csv.gz", 3, "open is missing")]
    assert read.dead[0].raw == "2019-12-20 09:30:00-05:00,,,,,,1.57,0.0,"


def test_recorded_trades_name_their_coin_in_the_file(tmp_path: Path) -> None:
    text = "timestamp,side,price,amount\n1535297434173,buy,1.435e-05,4.0\n1535297632966,sell,1.4e-05,4.0\n"
    read = read_files(tmp_path, {"AST_2018-09-07_15.30.csv": text})
    trades = read.of(Kind.TRADE)
    assert read.names()[0] == "binance:AST/BTC"
    assert (trades.close[0], trades.open[0], trades.volume[0]) == (1.435e-05, 1.435e-05, 4.0)
    assert trades.side.tolist() == [1, -1]
    assert trades.interval_ns.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("Time;Ticker;Last Price;Size", "1744034400;tsla;1.5;2"),
        ("TS\tSym\tPX\tQty", "1744034400000\tTSLA\t1.5\t2"),
        ("\ufeffTrade-Time|Symbol|Price|Quantity", "1744034400000000000|TSLA|1.5|2"),
        ("Event Time,Exchange,Symbol,Price,Amount", "2025-04-07T10:00:00,XNAS,TSLA,1.5,2"),
        ("Symbol,Date,Time,Price,Volume", "TSLA,2025/04/07,10:00,1.5,2"),
        ("symbol,time,price,size", '"TSLA","2025-04-07T16:00:00.000000000+02:00","1.5","2"'),
        ("symbol,time,price,size", "TSLA,1744034400.000,+1.5, 2 "),
    ],
)
def test_recognisable_names_and_times_mean_the_same(tmp_path: Path, header: str, row: str) -> None:
    read = read_files(tmp_path, {"x.csv": f"{header}\n{row}\n"})
    assert read.reasons() == []
    assert read.names() == ["XNAS:TSLA"]
    assert read.times() == ["2025-04-07T14:00:00Z"]
    assert (read.ticks.close[0], read.ticks.volume[0]) == (1.5, 2.0)


def test_mapping_says_which_column_is_which(tmp_path: Path) -> None:
    settings = CsvSettings(mapping=parse_mapping("time=Wann, close=Schluss"), symbol="VOW", venue="XETR", zone="UTC")
    read = read_files(tmp_path, {"kurse.csv": "Wann,Schluss\n2025-04-07 14:00:00,5\n"}, settings)
    assert (read.names(), read.times()) == (["XETR:VOW"], ["2025-04-07T14:00:00Z"])
    assert np.isnan(read.ticks.volume[0])


@pytest.mark.parametrize("text", ["time", "time=", "tme=x", "time=a,time=b"])
def test_a_wrong_mapping_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="mapping"):
        parse_mapping(text)


def test_interval_is_the_smallest_step_of_one_symbol_unless_given(tmp_path: Path) -> None:
    rows = [f"{1744034400 + 300 * (i // 2)},S{i % 2},1,1,1,1,1" for i in range(6)]
    assert read_files(tmp_path, {"a.csv": bars(rows)}).ticks.interval_ns[0] == 5 * MINUTE_NS
    given = read_files(tmp_path, {"a.csv": bars(rows)}, CsvSettings(interval_ns=MINUTE_NS))
    assert given.ticks.interval_ns[0] == MINUTE_NS
    days = [f"2025-{day},S,1,1,1,1,1" for day in ("03-08", "03-09", "03-10")]
    assert read_files(tmp_path, {"a.csv": bars(days)}).ticks.interval_ns[0] == 24 * 60 * MINUTE_NS


def test_default_venue_is_reported_once_for_the_caller_to_log(tmp_path: Path) -> None:
    paths = write(tmp_path, {"a.csv": bars(["1744034400,A,1,1,1,1,1", "1744034400,A/B,1,1,1,1,1"])})
    feed = open_csv(paths, CsvSettings(), zone_of=zone_of)
    assert feed.default_venues == {"XNAS": "A", "binance": "A/B"}
    assert open_csv(paths, CsvSettings(venue="XLON"), zone_of=zone_of).default_venues == {}


def test_standard_input_is_read_once_and_has_no_identity() -> None:
    text = bars(["1744034400,A,1,1,1,1,1", "1744034460,A,1,1,1,1,1"])
    feed = open_csv(["-"], CsvSettings(), zone_of=zone_of, stdin=io.BytesIO(text.encode()))
    assert feed.identity == ""
    assert gather(feed.batches(0)).names() == ["XNAS:A"] * 2
    with pytest.raises(InputError, match="once"):
        feed.batches(0)


def test_packed_standard_input_is_unpacked_and_damage_to_it_is_named() -> None:
    texts = bars(["1744034400,A,1,1,1,1,1"]), "1744034460,A,1,1,1,1,1\n" * 2, "1744034520,A,1,1,1,1,1\n"
    packed = b"".join(
        gzip.compress(text.encode(), mtime=0) for text in texts
    )  # three members, as `cat a.gz b.gz` gives
    feed = open_csv(["-"], CsvSettings(), zone_of=zone_of, stdin=io.BytesIO(packed), block_bytes=50)
    assert gather(feed.batches(0)).names() == ["XNAS:A"] * 4
    for damaged in (packed[:-4], packed[:-12] + b"\xff" * 12):
        with pytest.raises(InputError, match="standard input: damaged or cut off gzip data"):
            gather(open_csv(["-"], CsvSettings(), zone_of=zone_of, stdin=io.BytesIO(damaged)).batches(0))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.csv", b"", "is empty"),
        ("blank.csv", b"\n \n", "is empty"),
        ("binary.csv", b"\x7fELF\x00\x01\n", "binary"),
        ("other.csv", b"a,b\n1,2\n", r"Found 'a', 'b'\. Looked for time: timestamp"),
        ("prices.csv", b"time,bid\n1,2\n", "no column for close or price"),
        ("values.csv", b"1,2,3\n", "header"),
        ("utf16.csv", "time,price\n1744034400,1\n".encode("utf-16"), "UTF-16"),
        ("mac.csv", b"time,price\r1744034400,1\r1744034460,1\r", "carriage return"),
        ("2024.csv", b"time,close\n1,2\n", "no symbol"),
        ("cut.csv.gz", gzip.compress(b"time,price\n" + b"1744034400,1\n" * 99, mtime=0)[:40], "gzip"),
    ],
)
def test_what_is_not_market_data_is_an_error_that_says_why(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    with pytest.raises(InputError, match=message) as raised:
        read_files(tmp_path, {name: content})
    assert name in str(raised.value)


@pytest.mark.parametrize(("delimiter", "price"), [(";", 218.7), ("\t", 218.7), ("|", 218.7)])
def test_a_decimal_comma_is_read_where_it_separates_nothing_else(tmp_path: Path, delimiter: str, price: float) -> None:
    rows = [["time", "close", "volume"], ["1744034400", "218,7", "1000"], ["1744034460", "12.18,7", "1"]]
    read = read_files(tmp_path, {"TSLA.csv": "\n".join(delimiter.join(row) for row in rows)})
    assert read.of(Kind.BAR).close.tolist() == [price]
    assert read.reasons() == ["close is not a number: '12.18,7'"]


@pytest.mark.parametrize(
    ("rows", "closes", "volumes"),
    [
        ('1744034400,"10,000.50","1,234"\n1744034460,"9,999.0","1,234,567"', [10000.5, 9999.0], [1234.0, 1234567.0]),
        ('1744034400,"218,70","1.234"\n1744034460,"1.218,7","1.234.567"', [218.7, 1218.7], [1234.0, 1234567.0]),
        ("1744034400;218,70;1.234\n1744034460;-1.218,7;1", [218.7, -1218.7], [1234.0, 1.0]),
        ("1744034400\t97450.5\t1,234\n1744034460\t97,450.5\t12", [97450.5] * 2, [1234.0, 12.0]),
    ],
)
def test_thousands_apart_are_read_where_the_prices_tell_which_mark_is_which(
    tmp_path: Path, rows: str, closes: list[float], volumes: list[float]
) -> None:
    header = rows[10].join(("time", "close", "volume"))
    read = read_files(tmp_path, {"TSLA.csv": f"{header}\n{rows}\n"})
    assert read.reasons() == []
    assert read.of(Kind.BAR).close.tolist() == closes
    assert read.of(Kind.BAR).volume.tolist() == volumes


def test_thousands_apart_that_could_be_a_decimal_comma_are_refused_with_both_readings(tmp_path: Path) -> None:
    read = read_files(tmp_path, {"7203.csv": 'time,symbol,close\n1744034400,A,"2,345"\n1744034460,A,2345\n'})
    assert read.of(Kind.BAR).close.tolist() == [2345.0]
    assert read.reasons() == [
        "close may have a decimal comma or its thousands apart, and the head of the file does not tell: '2,345'"
    ]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("04/07/2025 10:10", "04/14/2025 9:31 PM", ["2025-04-07T14:10:00Z", "2025-04-15T01:31:00Z"]),
        ("4/7/2025, 10:10:30 AM", "4/14/2025, 12:00 am", ["2025-04-07T14:10:30Z", "2025-04-14T04:00:00Z"]),
        ("07/04/2025 10:10", "14/04/2025 10:10Z", ["2025-04-07T14:10:00Z", "2025-04-14T10:10:00Z"]),
        ("07.04.2025 10:10:00.5", "08.04.2025", ["2025-04-07T14:10:00.500Z", "2025-04-08T04:00:00Z"]),
        ("07-04-2025T10:10", "31-12-2025", ["2025-04-07T14:10:00Z", "2025-12-31T05:00:00Z"]),
    ],
)
def test_dates_with_the_year_at_their_end_are_read_where_the_file_tells_their_order(
    tmp_path: Path, first: str, second: str, expected: list[str]
) -> None:
    read = read_files(tmp_path, {"TSLA.csv": f'time,close\n"{first}",1\n"{second}",1\n'})
    assert (read.reasons(), read.times()) == ([], expected)


@pytest.mark.parametrize("other", ["05/07/2025", "04/13/2025\n13/04/2025"])
def test_dates_of_an_unknown_order_are_refused_with_the_option_that_tells(tmp_path: Path, other: str) -> None:
    files: dict[str, str | bytes] = {"TSLA.csv": "time,close\n04/07/2025,1\n" + other.replace("\n", ",1\n") + ",1\n"}
    with pytest.raises(InputError, match=r"TSLA\.csv: '04/07/2025' could begin .* --dates dmy or --dates mdy"):
        read_files(tmp_path, files)


def test_the_order_of_dates_may_be_given_and_what_does_not_keep_to_it_is_a_dead_letter(tmp_path: Path) -> None:
    text = "time,close\n04/07/2025 10:10,1\n04/13/2025 10:10,1\n04/08/2025 13:10 PM,1\n05/07/2025,1\n"
    read = read_files(tmp_path, {"TSLA.csv": text}, CsvSettings(dates="dmy"))
    assert read.times() == ["2025-07-04T14:10:00Z", "2025-07-05T04:00:00Z"]
    assert read.reasons() == [f"time is not readable: {t!r}" for t in ("04/13/2025 10:10", "04/08/2025 13:10 PM")]


def test_a_title_above_the_header_is_passed_over_and_lines_keep_their_numbers(tmp_path: Path) -> None:
    text = "Tesla, Inc. historical prices\n\nExported, 2025\nDate;Last\n2025-04-07;x\n2025-04-08;218,70\n"
    read = read_files(tmp_path, {"TSLA.csv": text}, CsvSettings(mapping={"close": "Last"}))
    assert read.of(Kind.BAR).close.tolist() == [218.7]
    assert [letter.position for letter in read.dead] == [5]


@pytest.mark.parametrize("name", ["", " ", "A" * 65, "A\x07"])
def test_a_symbol_or_venue_that_cannot_be_one_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=r"symbol: .* is not a name"):
        CsvSettings(symbol=name)
    with pytest.raises(InputError, match=r"venue: .* is not a name"):
        CsvSettings(venue=name)


def test_missing_files_directories_and_repeats_are_errors(tmp_path: Path) -> None:
    (path,) = write(tmp_path, {"a.csv": bars([])})
    for sources, message in (
        ([str(tmp_path / "none.csv")], "no such file"),
        ([str(tmp_path)], "directory"),
        ([str(tmp_path / "*.gz")], "no file matches"),
        ([path, str(tmp_path / "*.csv")], "given twice"),
        ([], "no CSV file"),
    ):
        with pytest.raises(InputError, match=message):
            open_csv(sources, CsvSettings(), zone_of=zone_of)


def test_identity_changes_with_content_settings_and_order_but_not_with_the_folder(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    files: dict[str, str | bytes] = {"a.csv": bars(["1,A,1,1,1,1,1"]), "b.csv": bars(["1,B,1,1,1,1,1"])}

    def identity(folder: Path, names: list[str], settings: CsvSettings) -> str:
        write(folder, files)
        return open_csv([str(folder / n) for n in names], settings, zone_of=zone_of).identity

    first = identity(one, ["a.csv", "b.csv"], CsvSettings())
    assert identity(two, ["a.csv", "b.csv"], CsvSettings()) == first
    assert identity(one, ["b.csv", "a.csv"], CsvSettings()) != first
    assert identity(one, ["a.csv", "b.csv"], CsvSettings(zone="UTC")) != first
    files["b.csv"] = bars(["1,B,1,1,1,1,2"])
    assert identity(one, ["a.csv", "b.csv"], CsvSettings()) != first


def test_identity_sees_an_edit_in_the_middle_of_a_file_of_any_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.csv"
    row = b"1744034400,A,1,1,1,1,%d\n"

    def identity(middle: int) -> str:
        path.write_bytes(b"time,symbol,open,high,low,close,volume\n" + row % 1 * 3000 + row % middle + row % 1 * 3000)
        return open_csv([str(path)], CsvSettings(), zone_of=zone_of).identity

    assert identity(2) == identity(2) != identity(3)
    monkeypatch.setattr("tapewatch.feeds.csv_blocks.WHOLE_BYTES", 1)  # a long file is told by its time of change
    first = identity(2)
    os.utime(path, ns=(1, 1))
    assert open_csv([str(path)], CsvSettings(), zone_of=zone_of).identity != first


def test_a_price_beside_open_high_and_low_is_the_close_and_a_letter_multiplies_the_volume(tmp_path: Path) -> None:
    text = '"Date","Price","Open","High","Low","Vol."\n"04/21/2025","227.5","230.2","232.2","222.7","97.77M"\n'
    bar = read_files(tmp_path, {"TSLA.csv": text + '"04/22/2025","1,227.5","1","2","1","2K"\n'}).of(Kind.BAR)
    assert (bar.close.tolist(), bar.high.tolist()) == ([227.5, 1227.5], [232.2, 2.0])
    assert bar.volume.tolist() == pytest.approx([97_770_000.0, 2_000.0])


def test_the_three_rows_of_a_yfinance_header_name_columns_and_symbol(tmp_path: Path) -> None:
    text = "Price,Close,High,Low,Open,Volume\nTicker,{},TSLA,TSLA,TSLA,TSLA\nDatetime,,,,,\n"
    row = "2025-04-07 13:30:00+00:00,2,3,1,2,5\n"
    read = read_files(tmp_path, {"prices.csv": text.format("TSLA") + row})
    assert (read.names(), read.times(), read.dead) == (["XNAS:TSLA"], ["2025-04-07T13:30:00Z"], [])
    assert read.of(Kind.BAR).high.tolist() == [3.0]
    with pytest.raises(InputError, match="no column for time"):
        read_files(tmp_path, {"two.csv": text.format("AAPL") + row})


@pytest.mark.parametrize(("written", "read"), [("XBTUSD", "XBTUSD"), ("DOTUSD", "DOTUSD"), ("ETHTUSD", "ETH/TUSD")])
def test_coins_that_end_in_t_are_not_taken_for_pairs_with_tusd(tmp_path: Path, written: str, read: str) -> None:
    text = f"timestamp,venue,symbol,open,high,low,close,volume\n2025-02-01T00:00:00Z,bitmex,{written},1,1,1,1,1\n"
    assert read_files(tmp_path, {"m.csv": text}).names() == [f"bitmex:{read}"]


@pytest.mark.parametrize("odd", ["\x0c", "\u2028"])
def test_a_title_with_an_odd_character_costs_no_row(tmp_path: Path, odd: str) -> None:
    rows = [f"174403440{i},A,1,1,1,1,1" for i in range(5)]
    read = read_files(tmp_path, {"x.csv": f"Prices{odd}page 1\n" + bars(rows)})
    assert (len(read.of(Kind.BAR)), read.dead) == (5, [])
