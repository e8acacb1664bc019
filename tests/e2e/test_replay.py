"""`tapewatch replay` as its users call it."""

import json
import os
import resource
import signal
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from tests.e2e.support import COMMAND, PATIENCE_S, Forker, Left, assert_same, position, start, wait_until, what_is_left

KEYS = {
    "alert_id", "revision", "incident_id", "rule", "venue", "symbol", "timestamp", "alert_type", "state", "severity",
    "score", "price", "change_pct", "message", "details",
}  # fmt: skip
DATA = Path(os.environ.get("TAPEWATCH_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))
TSLA = DATA / "bars" / "TSLA_1min_sample.csv"
needs_tsla = pytest.mark.skipif(not TSLA.exists(), reason="the development data is not beside the checkout")


def command(*args: str | Path, cwd: Path, stdin: BinaryIO | None = None) -> tuple[int, str, str]:
    """Exit code, standard output and error of `tapewatch replay` as a process of its own."""
    done = subprocess.run(
        [*COMMAND, "replay", *map(str, args)],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        stdin=stdin or subprocess.DEVNULL,
    )
    return done.returncode, done.stdout, done.stderr


Replay = Callable[..., tuple[int, str, str]]


@pytest.fixture
def replay(forker: Forker, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Replay:
    """The same in an empty folder, forked from a process that has imported everything."""

    def call(*args: str | Path) -> tuple[int, str, str]:
        folder = tmp_path_factory.mktemp("output")
        running = forker.start(folder / "err", "replay", *args, out=folder / "out", cwd=tmp_path)
        code = running.end(PATIENCE_S)
        assert code is not None
        return code, (folder / "out").read_text(), (folder / "err").read_text()

    return call


def said_besides_unreadable_rows(err: str) -> list[str]:
    return [line for line in err.splitlines() if not line.startswith("not read: ")]


def test_the_table_has_the_alerts_and_a_line_that_sums_up(
    replay: Replay, market: Path, uninterrupted: Left, tmp_path: Path
) -> None:
    code, out, err = replay(market)
    assert code == 0 and said_besides_unreadable_rows(err) == []
    dead, count = len(uninterrupted.dead), len(uninterrupted.alerts)
    assert f"{dead} dead" in out and f": {count:,} alerts in" in " ".join(out.split())
    assert all(out.count(name) for name in ("price_move_1m", "stale_feed", "bad_print", "critical"))
    assert not list(tmp_path.iterdir()), "a run without --data-dir left something behind"


def test_json_is_one_object_an_alert_revision_and_nothing_else(
    replay: Replay, market: Path, uninterrupted: Left, tmp_path: Path
) -> None:
    code, out, err = replay(market, "--json")
    assert code == 0 and said_besides_unreadable_rows(err) == [] and "line " in err
    objects = [json.loads(line) for line in out.splitlines()]
    assert all(set(o) >= KEYS for o in objects)
    told = [(o["alert_id"], o["revision"], o["message"]) for o in objects]
    assert told == [(a.alert_id, a.revision, a.message) for _, a in uninterrupted.changes]
    assert len({pair[:2] for pair in told}) == len(told)
    assert all(o["timestamp"].endswith("Z") and o["timestamp"][10] == "T" for o in objects)


@pytest.mark.parametrize(("name", "magic"), [("out.pdf", b"%PDF-"), ("out.csv", b"")])
def test_a_report_is_written_beside_the_table(
    replay: Replay, market: Path, tmp_path: Path, name: str, magic: bytes
) -> None:
    code, _, err = replay(market, "--report", name)
    written = (tmp_path / name).read_bytes()
    assert code == 0 and said_besides_unreadable_rows(err) == [f"report: {name} ({len(written):,} bytes)"]
    assert written.startswith(magic) and len(written) > 5_000
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_a_second_run_over_a_data_directory_adds_nothing(
    replay: Replay, market: Path, uninterrupted: Left, tmp_path: Path
) -> None:
    first = replay(market, "--json", "--data-dir", "data")
    assert first[0] == 0 and len(first[1].splitlines()) == len(uninterrupted.changes)
    assert_same(what_is_left(tmp_path / "data"), uninterrupted)
    assert replay(market, "--json", "--data-dir", "data") == (0, "", "")
    assert_same(what_is_left(tmp_path / "data"), uninterrupted)


def test_standard_input_is_a_source(market: Path, uninterrupted: Left, tmp_path: Path) -> None:
    with market.open("rb") as file:
        code, out, err = command("-", "--json", cwd=tmp_path, stdin=file)
    assert code == 0 and said_besides_unreadable_rows(err) == []
    assert len(out.splitlines()) == len(uninterrupted.changes)


MISTAKES = [
    (["none.csv"], "none.csv: no such file"),
    (["no*.csv"], "no file matches"),
    (["wrong.csv"], "not market data: no column for time and close or price. Found 'a', 'b'"),
    (["empty.csv"], "is empty"),
    (["binary.csv"], "is binary"),
    ([".", "-q"], "is a directory"),
    (["MARKET", "--preset", "protoype"], "no preset 'protoype'"),
    (["MARKET", "--rules", "none.toml"], "none.toml: cannot be read"),
    (["MARKET", "--report", "out.docx"], "no format has the ending '.docx'; known are .csv, .pdf"),
    (["MARKET", "--report", "nowhere/out.pdf"], "there is no folder nowhere"),
    (["MARKET", "--data-dir", "wrong.csv"], "data directory wrong.csv"),
    (["MARKET", "--map", "clos=x"], "did you mean 'close'?"),
    (["MARKET", "--interval", "5x"], "--interval: feed.interval must be a duration"),
    (["MARKET", "--zone", "Mars/Phobos"], "Mars/Phobos"),
    (["-", "--data-dir", "data"], "standard input: is empty"),
]


@pytest.mark.parametrize(("args", "message"), MISTAKES, ids=[" ".join(m[0]) for m in MISTAKES])
def test_a_mistake_is_one_message_and_exit_code_two(
    replay: Replay, args: list[str], message: str, market: Path, tmp_path: Path
) -> None:
    (tmp_path / "wrong.csv").write_text("a,b\n1,2\n")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "binary.csv").write_bytes(b"\0\1\2" * 100)
    before = sorted(tmp_path.iterdir())
    code, out, err = replay(*[str(market) if a == "MARKET" else a for a in args])
    assert (code, out) == (2, "")
    assert err.startswith("error: ") and message in err and "Traceback" not in err
    assert sorted(tmp_path.iterdir()) == before


def test_a_file_of_which_no_row_can_be_read_is_an_error_that_shows_some(replay: Replay, tmp_path: Path) -> None:
    (tmp_path / "TSLA.csv").write_text("time,close\n" + "2025-04-07 10:00,n/a\n" * 9)
    code, _, err = replay("TSLA.csv", "--venue", "XNAS")
    assert code == 2 and "TSLA.csv, line 2: close is not a number: 'n/a'" in err and "and 4 more" in err
    assert "error: not one of 9 rows could be read; --map says which column holds what; times are ISO 8601" in err


def test_a_replay_names_its_own_bad_rows_and_not_those_of_another_file(replay: Replay, tmp_path: Path) -> None:
    for name in ("T", "U"):
        rows = [f"2025-04-07 10:{i:02},{'x' if i == 3 else i + 1}" for i in range(9)]
        (tmp_path / f"{name}.csv").write_text("time,close\n" + "\n".join(rows) + "\n")
    for name, other in (("T", "U"), ("U", "T")):
        code, _, err = replay(f"{name}.csv", "--venue", "XNAS", "--data-dir", "data")
        assert code == 0 and f"{name}.csv, line 5" in err and f"{other}.csv" not in err


def test_standard_input_cannot_be_gone_on_with_and_says_so(market: Path, tmp_path: Path) -> None:
    with market.open("rb") as file:
        code, _, err = command("-", "--data-dir", "data", cwd=tmp_path, stdin=file)
    assert code == 2 and "standard input cannot be gone on with" in err


def test_a_data_directory_in_use_is_refused_with_exit_code_three(
    replay: Replay, forker: Forker, market: Path, tmp_path: Path
) -> None:
    server = forker.start(tmp_path / "log", "serve", "--data-dir", tmp_path / "data", "--port", "0")
    assert server.address
    code, out, err = replay(market, "--data-dir", "data")
    server.stop()
    assert (code, out) == (3, "")
    assert err == "error: data is in use by another tapewatch: stop it, or name another --data-dir\n"


@needs_tsla
@pytest.mark.shared_data
def test_the_prototypes_rules_find_what_the_prototype_found(replay: Replay, tmp_path: Path) -> None:
    args = (TSLA, "--symbol", "TSLA", "--venue", "XNAS", "--preset", "prototype", "--json")
    code, out, _ = replay(*args)
    alerts = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    counts = Counter((a["rule"], a["alert_type"]) for a in alerts)
    assert counts == {("zscore", "rise"): 61, ("zscore", "drop"): 61, ("sma", "rise"): 12}
    sma = [a for a in alerts if a["rule"] == "sma"]
    assert min(a["timestamp"] for a in sma) == "2025-04-07T14:12:00Z"
    assert len({a["alert_id"] for a in alerts}) == len(alerts) and {a["revision"] for a in alerts} == {1}


def test_a_symbol_may_be_given_in_any_case(tmp_path: Path) -> None:
    closes = [100.0] * 9 + [101.0]
    rows = (f"2025-04-07 10:{i:02d}:00,{c},{c},{c},{c},5" for i, c in enumerate(closes))
    (tmp_path / "some.csv").write_text("\n".join(["timestamp,open,high,low,close,volume", *rows]))
    for written in ("acme", "ACME"):
        args = ("some.csv", "--symbol", written, "--venue", "XNAS", "--preset", "prototype", "--json")
        code, out, _ = command(*args, cwd=tmp_path)
        assert code == 0
        assert [(a["symbol"], a["rule"]) for a in map(json.loads, out.splitlines())] == [("ACME", "zscore")]


@needs_tsla
@pytest.mark.shared_data
def test_a_replay_starts_fast(tmp_path: Path) -> None:
    """3 s on a quiet machine is the aim. Held in time of the processor, which other work does not stretch as much."""
    args = (TSLA, "--symbol", "TSLA", "--venue", "XNAS")
    assert command(*args, cwd=tmp_path)[0] == 0  # compiles, where nobody did
    took = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert command(*args, cwd=tmp_path)[0] == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(took) < 4.0


def test_a_replay_that_is_interrupted_goes_on(
    replay: Replay, market: Path, uninterrupted: Left, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    args = ("replay", market, "--data-dir", data, "--set", "engine.batch_ticks=1")
    running = start(tmp_path / "log", *args)
    wait_until(lambda: position(data) > 100, 60, "the first batches")
    os.kill(running.pid, signal.SIGINT)
    assert running.end(30) == 130
    assert "Traceback" not in running.log.read_text()
    reached = position(data)
    assert 100 < reached < uninterrupted.next
    assert replay(market, "--data-dir", data)[0] == 0
    assert_same(what_is_left(data), uninterrupted)
