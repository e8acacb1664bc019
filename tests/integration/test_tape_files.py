"""A market written to a tape is the market: the same alerts, by id and revision, as from its CSV file."""

import json
from pathlib import Path

import pytest

from tapewatch.runtime.cli import main


def _run(capfdbinary: pytest.CaptureFixture[bytes], *args: str) -> list[dict[str, object]]:
    with pytest.raises(SystemExit) as ended:
        main(args)
    assert ended.value.code == 0
    return [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]


def test_a_tape_gives_the_same_alerts_as_the_csv_of_the_same_market(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    for name in ("m.csv", "m.tape"):
        _run(capfdbinary, "generate", "--days", "3", "--seed", "5", "--times", "3", "--out", str(tmp_path / name))
    from_csv = _run(capfdbinary, "replay", str(tmp_path / "m.csv"), "--json")
    from_tape = _run(capfdbinary, "replay", str(tmp_path / "m.tape"), "--json")
    for alert in (*from_csv, *from_tape):
        del alert["timestamp_detection"]
    assert from_csv
    assert from_tape == from_csv


def test_a_tape_that_is_not_there_is_one_clear_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["replay", str(tmp_path / "no.tape")])
    assert ended.value.code == 2
    assert "no such tape" in capfd.readouterr().err
