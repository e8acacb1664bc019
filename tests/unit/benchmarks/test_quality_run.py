"""`make quality` without the real data leaves the committed figures alone."""

import json
from pathlib import Path
from typing import Any

import pytest
from benchmarks.quality import run

WHOLE = {"real_data": True, "pumps": {}}


@pytest.mark.parametrize(
    ("found", "arguments"),
    [({"real_data": False, "pumps": {}}, []), ({"real_data": True, "pumps": None}, []), (WHOLE, ["--small"])],
)
def test_figures_that_lack_rows_are_written_where_they_are_asked_for_and_nowhere_else(
    found: dict[str, Any], arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed = tmp_path / "results"
    monkeypatch.setattr(run, "RESULTS", committed)
    monkeypatch.setattr(run, "report", lambda found: "tables")
    monkeypatch.setattr(run, "measure", lambda size: dict(found))
    run.main(arguments)
    assert not committed.exists()
    run.main([*arguments, "--out", str(tmp_path / "mine")])
    assert json.loads((tmp_path / "mine" / "quality.json").read_text())["real_data"] == found["real_data"]
    assert not committed.exists()
    monkeypatch.setattr(run, "measure", lambda size: dict(WHOLE))
    run.main([])
    assert (committed / "quality.md").read_text() == "tables"
