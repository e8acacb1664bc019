"""Values that travel: times, ids, columns, secrets."""

import doctest
import importlib
import json
import pickle
import pkgutil
from datetime import UTC, datetime

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tapewatch.model
from tapewatch.model import ids
from tapewatch.model.errors import CommitRefusedError, InputError
from tapewatch.model.instruments import Instrument, default_venue
from tapewatch.model.ledger import LedgerRow
from tapewatch.model.report_task import ReportTask
from tapewatch.model.secret import Secret
from tapewatch.model.ticks import DTYPES, Kind, concat, make_batch
from tapewatch.model.times import SECOND_NS, datetime_to_ns, format_local, format_rfc3339, parse_rfc3339
from tapewatch.model.trade_ids import hash_trade_ids, hash_trade_numbers
from tapewatch.model.zones import read_local

MODULES = [m.name for m in pkgutil.iter_modules(tapewatch.model.__path__)]
TSLA, BTC = Instrument("XNAS", "TSLA"), Instrument("binance", "BTC/USDT")


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_docstrings_are_true(name: str) -> None:
    assert doctest.testmod(importlib.import_module(f"tapewatch.model.{name}")).failed == 0


@given(st.integers(-9 * 10**18, 9 * 10**18))
def test_every_time_is_read_back_as_it_was_written(ts_ns: int) -> None:
    assert parse_rfc3339(format_rfc3339(ts_ns)) == ts_ns


@pytest.mark.parametrize(
    ("text", "ts_ns"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01 01:00:00+01:00", 0),
        ("1969-12-31t23:59:59.999999999z", -1),
        (" 1970-01-01T00:00:00.5Z ", 500_000_000),
        ("1969-12-31T19:00:00.000001-05:00", 1_000),
    ],
)
def test_rfc_3339_is_read_exactly(text: str, ts_ns: int) -> None:
    assert parse_rfc3339(text) == ts_ns


@pytest.mark.parametrize(
    "text", ["", "1970-01-01", "1970-01-01T00:00:00", "1970-13-01T00:00:00Z", "2025-02-29T00:00:00Z"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is not a"):
        parse_rfc3339(text)


def test_times_know_their_decimals_and_zones() -> None:
    assert [format_rfc3339(n) for n in (0, 10**6, 10**3, 1)] == [
        "1970-01-01T00:00:00Z",
        "1970-01-01T00:00:00.001Z",
        "1970-01-01T00:00:00.000001Z",
        "1970-01-01T00:00:00.000000001Z",
    ]
    assert datetime_to_ns(datetime(1970, 1, 1, 0, 0, 1, 5, tzinfo=UTC)) == SECOND_NS + 5_000
    assert format_local(0, "America/New_York") == "1969-12-31 19:00:00-05:00"


def test_ids_differ_with_each_of_their_parts_and_with_what_they_name() -> None:
    parts = ("XNAS", "TSLA", "rule", "v", "drop", 1, 0)
    others = [(*parts[:i], "x" if isinstance(p, str) else 7, *parts[i + 1 :]) for i, p in enumerate(parts)]
    made = {ids.alert_id(*p) for p in [parts, *others]} | {ids.signal_id(*parts), ids.incident_id(*parts[:3], 1, 0)}  # type: ignore[arg-type]  # each part replaced in turn
    assert len(made) == len(others) + 3
    assert all(len(i) == 32 for i in made)
    assert ids.alert_id("ab", "c", "r", "v", "drop", 1, 0) != ids.alert_id("a", "bc", "r", "v", "drop", 1, 0)


def test_a_batch_fills_what_is_not_given_and_refuses_what_does_not_fit() -> None:
    batch = make_batch((TSLA,), 2, close=np.array([1.0, 2.0]))
    assert len(batch) == 2
    assert batch.open.tolist() == batch.high.tolist() == batch.low.tolist() == [1.0, 2.0]
    assert np.isnan(batch.volume).all()
    assert {n: c.dtype.str[1:] for n, c in batch.columns().items()} == DTYPES
    with pytest.raises(ValueError, match=r"column volume has shape \(1,\), expected \(2,\)"):
        make_batch((TSLA,), 2, volume=np.array([1.0]))
    with pytest.raises(ValueError, match=r"unknown columns \['price'\]"):
        make_batch((TSLA,), 1, price=np.array([1.0]))


def test_batches_join_under_one_table_of_symbols() -> None:
    one = make_batch((TSLA, BTC), 2, symbol_id=np.array([0, 1]), close=np.array([1.0, 2.0]))
    other = make_batch((BTC,), 2, symbol_id=np.array([0, -1]), kind=np.array([Kind.BAR, Kind.HEARTBEAT]))
    empty = make_batch((), 1, symbol_id=np.array([-1]), kind=np.array([Kind.HEARTBEAT]))
    joined = concat([one, other, empty])
    assert joined.symbols == (TSLA, BTC)
    assert joined.symbol_id.tolist() == [0, 1, 1, -1, -1]
    assert joined.take(slice(1, 3)).close.tolist() == [2.0, 0.0]
    assert joined.take(np.array([3, 0])).symbol_id.tolist() == [-1, 0]
    with pytest.raises(ValueError, match="nothing to concatenate"):
        concat([])


def test_trade_ids_are_the_same_however_a_feed_writes_them() -> None:
    hashed = hash_trade_ids(["17", "", "a-17", "0", "9" * 18, "9" * 19, "٣"])
    assert hashed[[0, 3]].tolist() == hash_trade_numbers(np.array([17, 0])).tolist()
    assert hashed[1] == 0
    assert len(set(hashed.tolist())) == 7
    assert 0 not in np.delete(hashed, 1)


def test_no_number_hashes_to_the_value_that_means_no_id() -> None:
    zero = np.array([0 - 0x9E3779B97F4A7C15], dtype=object) % 2**64
    assert hash_trade_numbers(zero.astype(np.uint64).view(np.int64)).tolist() == [1]


def test_a_secret_gives_itself_away_nowhere() -> None:
    secret = Secret("hunter2", "env:KEY")
    assert "hunter2" not in f"{secret} {secret!r} {[secret]}"
    assert (secret.reveal(), secret.reference, bool(secret), bool(Secret(""))) == ("hunter2", "env:KEY", True, False)
    assert secret == Secret("hunter2")
    assert secret != Secret("hunter3")
    assert secret != "hunter2"
    assert len({secret, Secret("hunter2")}) == 1
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        json.dumps(secret)
    with pytest.raises(TypeError):
        msgspec.json.encode(secret)


def test_venues_are_guessed_from_the_symbol_alone() -> None:
    assert (default_venue("BTC/USDT"), default_venue("BRK.B"), str(TSLA)) == ("binance", "XNAS", "XNAS:TSLA")


def test_a_refused_commit_names_what_did_not_hold() -> None:
    error = CommitRefusedError("epoch", 3, 4)
    assert error.reason == "epoch"
    assert str(error) == "commit refused: epoch is 4 in the store, the batch was made for 3"


def test_rows_of_the_ledger_and_report_tasks_survive_json() -> None:
    row = LedgerRow(alert_id="a", revision=1, channel="c", recipient="r")
    assert msgspec.json.decode(msgspec.json.encode(row), type=LedgerRow) == row
    assert {f.name for f in msgspec.structs.fields(ReportTask)} >= {"task_id", "status"}


def test_local_times_know_both_passes_of_an_hour_and_the_hour_that_is_skipped() -> None:
    def local(text: str) -> int:
        return parse_rfc3339(f"{text}:00Z")

    twice = read_local(np.array([local("2025-11-02T01:30"), local("2025-11-02T03:00")]), "America/New_York")
    assert [format_rfc3339(int(t)) for t in twice.utc_ns] == ["2025-11-02T05:30:00Z", "2025-11-02T08:00:00Z"]
    assert twice.later_by_ns is not None
    assert twice.later_by_ns.tolist() == [3600 * SECOND_NS, 0]
    never = read_local(np.array([local("2025-03-09T02:30"), local("2025-03-09T03:30")]), "America/New_York")
    assert never.missing is not None
    assert never.missing.tolist() == [True, False]
    plain = read_local(np.array([local("2025-07-01T09:30")]), "America/New_York")
    assert (format_rfc3339(int(plain.utc_ns[0])), plain.missing, plain.later_by_ns) == (
        "2025-07-01T13:30:00Z",
        None,
        None,
    )
    assert read_local(np.zeros(0, np.int64), "UTC").utc_ns.size == 0
    with pytest.raises(InputError, match="'Mars/Olympus' is not a time zone"):
        read_local(np.zeros(1, np.int64), "Mars/Olympus")
