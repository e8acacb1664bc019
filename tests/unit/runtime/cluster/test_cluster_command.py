"""What `tapewatch cluster` would start, without starting it."""

from pathlib import Path

import pytest

from tapewatch.runtime.cli import main
from tapewatch.runtime.cluster.local.stack import LocalCluster


@pytest.mark.parametrize(
    ("setting", "flag", "port"), [(None, None, 8000), ("9123", None, 9123), ("9123", "9124", 9124)]
)
def test_the_api_listens_where_the_flag_says_and_else_where_the_settings_do(
    setting: str | None, flag: str | None, port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if setting is not None:
        monkeypatch.setenv("TAPEWATCH_API__PORT", setting)
    ports: list[int] = []

    def note(local: LocalCluster, _until_alert: bool) -> None:
        ports.append(local.plan.api_port)

    monkeypatch.setattr("tapewatch.runtime.cli.commands.cluster._run", note)
    with pytest.raises(SystemExit) as ended:
        main(["cluster", "--no-feed", *(["--port", flag] if flag else [])])
    assert (ended.value.code or 0, ports) == (0, [port])
