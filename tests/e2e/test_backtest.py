"""`tapewatch backtest`, `tune` and `rules diff` as their users call them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tapewatch.runtime.config.rules import load_rules_file
from tests.e2e.support import Forker
from tests.e2e.test_replay import TSLA, needs_tsla

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(forker: Forker, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Call:
    """Exit code, standard output and error of a command in an empty folder."""

    def run(*args: str | Path) -> tuple[int, str, str]:
        folder = tmp_path_factory.mktemp("output")
        running = forker.start(folder / "err", *args, out=folder / "out", cwd=tmp_path)
        code = running.end(300)
        assert code is not None
        return code, (folder / "out").read_text(), (folder / "err").read_text()

    return run


def content(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(p): (p.stat().st_size, p.stat().st_mtime_ns) for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def small(call: Call, tmp_path: Path) -> Path:
    """A small simulated market, its labels, and a data directory of a run over it."""
    made = ("--out", "market.csv", "--labels", "labels.csv", "--stocks", "3", "--crypto", "1", "--days", "3")
    assert call("generate", *made)[0] == 0
    assert call("replay", "market.csv", "--data-dir", "data", "--quiet")[0] == 0
    return tmp_path


def test_a_backtest_of_a_data_directory_leaves_it_as_it_was(call: Call, small: Path) -> None:
    before = content(small / "data")
    files = ("--labels", "labels.csv", "--out", "r.json", "--report", "r.pdf")
    code, out, err = call("backtest", "data", "--against", "prototype", *files)
    assert code == 0, err
    assert content(small / "data") == before
    assert out.startswith("BACKTEST of 4 symbols") and "recall" in out and "Only B (prototype)" in out
    result: dict[str, Any] = json.loads((small / "r.json").read_text())
    assert result["kind"] == "backtest"
    assert result["a"]["score"]["recall"]["trials"] == result["labels"]
    assert (small / "r.pdf").read_bytes().startswith(b"%PDF")
    assert str(small) not in out


def test_files_and_directory_give_the_same_incidents(call: Call, small: Path) -> None:
    results = []
    for source in ("market.csv", "data"):
        code, out, _ = call("backtest", source, "--json")
        assert code == 0
        results.append(json.loads(out)["a"]["incidents"])
    assert results[0] == results[1] and results[0]


def test_what_is_tuned_can_be_compared_and_run(call: Call, small: Path) -> None:
    out_files = ("--rules-out", "mine.toml", "--calibration-out", "mine.json")
    asked = ("--budget", "1/symbol/day", "--labels", "labels.csv", "--holdout", "0.34")
    code, out, err = call("tune", "--history", "market.csv", *asked, *out_files)
    assert code == 0, err
    assert "held out" in out and "allowed" in out
    assert load_rules_file(small / "mine.toml").rules.name == "tuned"
    code, out, _ = call("rules", "diff", "default", "mine.toml")
    assert code == 1 and "groups" in out
    code, out, _ = call("backtest", "market.csv", "--rules", "mine.toml", "--calibration", "mine.json", "--json")
    assert code == 0 and json.loads(out)["a"]["fingerprint"] in (small / "mine.toml").read_text()


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (("backtest", "no.csv"), "no.csv"),
        (("backtest", "market.csv", "--out", "r.txt"), ".json"),
        (("backtest", "market.csv", "--against", "protoype"), "did you mean prototype"),
        (("backtest", "market.csv", "--labels", "none.csv"), "none.csv"),
        (("tune", "--history", "market.csv", "--budget", "many"), "0.2/symbol/day"),
        (("tune", "--history", "market.csv", "--cases", "nowhere"), "nowhere"),
    ],
)
def test_mistakes_are_one_message_and_exit_code_two(
    call: Call, tmp_path: Path, args: tuple[str, ...], named: str
) -> None:
    (tmp_path / "market.csv").write_text("timestamp,symbol,price,size\n2025-03-03T15:00:00Z,A,1,1\n")
    code, _, err = call(*args)
    assert code == 2 and named in err and "Traceback" not in err


@needs_tsla
@pytest.mark.shared_data
def test_the_known_events_of_the_sample_are_found(call: Call, tmp_path: Path) -> None:
    times = ("2025-04-07 10:10:00,TSLA,rise", "2025-04-07 10:18:00,TSLA,drop", "2025-04-09 13:19:00,TSLA,rise")
    (tmp_path / "known.csv").write_text("\n".join(("time,symbol,direction", *times)))
    args = (TSLA, "--symbol", "TSLA", "--venue", "XNAS", "--labels", "known.csv", "--json")
    code, out, _ = call("backtest", *args)
    result = json.loads(out)
    assert code == 0 and result["symbol_days"] == 10
    assert result["a"]["score"]["recall"]["successes"] == 3
    assert result["a"]["price"]["incidents"] <= 6 and result["a"]["data_quality"]["incidents"] >= 4
