"""`tapewatch status` of one process's data directory."""

import json
from pathlib import Path

import pytest

from tapewatch.runtime.cli import main

ROWS = "timestamp,open,high,low,close,volume\n" + "".join(
    f"2025-04-07T13:{30 + i}:00Z,100,101,99,{100 + i % 2},1000\n" for i in range(20)
)


def call(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(args)
    out = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, out.out, out.err


def test_it_tells_the_position_the_epoch_and_the_fate_of_every_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "TSLA.csv").write_text(ROWS)
    code, *_ = call(capsys, "replay", "TSLA.csv", "--data-dir", "data")
    assert code == 0
    code, out, _ = call(capsys, "status", "--data-dir", "data", "--json")
    found = json.loads(out)
    assert code == 0
    assert found["mode"] == "embedded"
    (shard,) = found["shards"]
    assert shard["next"] == sum(shard["fates"].values()) > 20
    assert shard["fates"]["judged"] == 20
    assert shard["epoch"] >= 1 and shard["outbox"] == 0 and shard["owner"] is None
    code, out, _ = call(capsys, "status", "--data-dir", "data")
    assert code == 0 and "judged 20" in out and "nobody" in out


def test_a_folder_without_a_database_is_a_mistake_that_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = call(capsys, "status", "--data-dir", str(tmp_path))
    assert code == 2 and "there is no tapewatch.sqlite" in err
