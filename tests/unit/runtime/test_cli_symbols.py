"""Commands take a symbol in any case, as the API does."""

import csv
from pathlib import Path

import pytest

from tapewatch.runtime.cli import main
from tapewatch.runtime.embedded import DATABASE
from tapewatch.stores.sqlite import Database, SqliteAlertStore
from tests.factories import make_alert


@pytest.mark.parametrize(("written", "found"), [("tsla", {"TSLA"}), ("TSLA", {"TSLA"}), ("msft", set())])
def test_a_report_on_a_symbol_in_any_case_is_on_that_symbol(tmp_path: Path, written: str, found: set[str]) -> None:
    database = Database(tmp_path / DATABASE)
    SqliteAlertStore(database, lambda: 1).upsert([make_alert(symbol=name) for name in ("TSLA", "AAPL")], [])
    database.close()
    out = tmp_path / "report.csv"
    with pytest.raises(SystemExit, match="0"):
        main(["report", str(out), "--data-dir", str(tmp_path), "--symbol", written])
    with out.open(newline="", encoding="utf-8-sig") as file:
        assert {row["symbol"] for row in csv.DictReader(file)} == found
