"""Notices that were given up, by command, and the page that says how people are told."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tapewatch.model.ledger import LedgerRow
from tapewatch.runtime.cli.commands.notices import app
from tapewatch.runtime.config.load import load_settings
from tapewatch.runtime.embedded import DATABASE
from tapewatch.stores.sqlite import Database, SqliteNoticeLedger

DONE = LedgerRow(alert_id="a", revision=1, channel="console", recipient="console", state="done", notice=b"{}")
SLACK = LedgerRow(
    alert_id="a", revision=1, channel="slack", recipient="slack", state="dead", attempts=20, last_error="answered 500"
)
MAIL = LedgerRow(alert_id="b", revision=2, channel="email", recipient="d@x.org", state="dead", last_error="refused")


def _keep(folder: Path) -> None:
    database = Database(folder / DATABASE)
    SqliteNoticeLedger(database, lambda: 1).owe([DONE, SLACK, MAIL])
    database.close()


def _due(folder: Path) -> list[LedgerRow]:
    database = Database(folder / DATABASE)
    found = SqliteNoticeLedger(database, lambda: 1).due(0, 10)
    database.close()
    return found


def test_what_was_given_up_is_listed_with_its_reason(tmp_path: Path) -> None:
    _keep(tmp_path)
    done = CliRunner().invoke(app, ["list", "--data-dir", str(tmp_path)])
    assert done.stdout.splitlines() == ["a 1  slack: answered 500", "b 2  email to d@x.org: refused"]


def test_only_what_was_chosen_is_owed_again_and_with_all_its_attempts(tmp_path: Path) -> None:
    _keep(tmp_path)
    done = CliRunner().invoke(app, ["retry", "--channel", "slack", "--data-dir", str(tmp_path)])
    assert (done.exit_code, done.stderr) == (0, "1 notices are owed again\n")
    assert [(row.channel, row.attempts) for row in _due(tmp_path)] == [("slack", 0)]
    done = CliRunner().invoke(app, ["list", "--alert", "b", "--data-dir", str(tmp_path)])
    assert done.stdout == "b 2  email to d@x.org: refused\n"


def test_that_there_are_none_is_said_apart_from_the_list(tmp_path: Path) -> None:
    Database(tmp_path / DATABASE).close()
    done = CliRunner().invoke(app, ["list", "--data-dir", str(tmp_path)])
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "no notice was given up\n")


def test_a_folder_without_data_is_a_clear_error(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["list", "--data-dir", str(tmp_path)])
    assert done.exit_code != 0
    assert "holds no tapewatch data" in str(done.exception)


def test_the_settings_on_the_page_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[3] / "docs" / "how-to" / "tell-people.md").read_text()
    (tmp_path / "tapewatch.toml").write_text(page.split("```toml\n")[1].split("```")[0])
    for name in ("SMTP_PASSWORD", "PAGER_TOKEN", "PAGER_KEY"):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("SLACK_WEBHOOK", "https://hooks.slack.com/services/x")
    found = load_settings(tmp_path / "tapewatch.toml").settings.notify
    assert found.email is not None
    assert [channel.name for channel in found.slack or ()] == ["slack"]
    assert [channel.name for channel in found.webhook or ()] == ["pager"]
    assert [route.to for route in found.routes or ()] == [("email", "slack"), ("pager",)]
