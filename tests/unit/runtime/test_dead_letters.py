"""Dead letters of a data directory, by command."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tapewatch.model.errors import InputError
from tapewatch.model.ticks import DeadLetter
from tapewatch.runtime.cli.commands.dead_letters import app
from tapewatch.runtime.dead_letters import KeptLetters
from tapewatch.runtime.embedded import DATABASE
from tapewatch.stores.sqlite import Database, SqliteDeadLetterStore


def _keep(folder: Path, count: int) -> None:
    database = Database(folder / DATABASE)
    letters = [
        DeadLetter(source="a.csv", position=n + 2, offset=n, reason=f"no price {n}", raw=f"TSLA,{n}")
        for n in range(count)
    ]
    SqliteDeadLetterStore(database, lambda: 1).add(letters)
    database.close()


def test_all_are_given_in_order_page_by_page(tmp_path: Path) -> None:
    _keep(tmp_path, 1_203)
    found = list(KeptLetters(tmp_path).after(2))
    assert [x.number for x in found] == list(range(3, 1_204))
    assert found[0].original == b"TSLA,2"


def test_rows_are_written_out_to_be_corrected(tmp_path: Path) -> None:
    _keep(tmp_path, 5)
    out = tmp_path / "rows.csv"
    done = CliRunner().invoke(app, ["replay", "2", "4", "--data-dir", str(tmp_path), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert out.read_text() == "TSLA,1\nTSLA,3\n"


def test_a_list_says_where_it_goes_on(tmp_path: Path) -> None:
    _keep(tmp_path, 5)
    done = CliRunner().invoke(app, ["list", "--data-dir", str(tmp_path), "--limit", "2"])
    assert done.stdout.splitlines() == ["     1  a.csv:2  no price 0", "     2  a.csv:3  no price 1"]
    assert "--after 2" in done.stderr


def test_a_folder_without_data_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no tapewatch data"):
        KeptLetters(tmp_path)
