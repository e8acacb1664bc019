"""`tapewatch status` where none of the cluster's servers is there."""

import json
from pathlib import Path

import pytest

from tapewatch.runtime.cli import main
from tapewatch.runtime.cluster.servers.ports import free_port


def test_each_server_that_does_not_answer_is_named_without_its_password(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TAPEWATCH_KAFKA__BOOTSTRAP", f"127.0.0.1:{free_port()}")
    monkeypatch.setenv("TAPEWATCH_ELASTICSEARCH__URLS", f"http://127.0.0.1:{free_port()}")
    for name in ("STATE", "QUEUE"):
        monkeypatch.setenv(f"TAPEWATCH_{name}__URL", f"redis://:hunter2@127.0.0.1:{free_port()}/0")
    with pytest.raises(SystemExit) as ended:
        main(["status", "--json"])
    out = capsys.readouterr()
    assert ended.value.code == 3
    found = json.loads(out.out)
    assert [s["name"] for s in found["servers"]] == ["Kafka", "Redis (state)", "Redis (queue)", "Elasticsearch"]
    assert all(s["trouble"] for s in found["servers"])
    assert found["shards"] == [] and found["alerts"] is None and found["queued"] is None
    assert "hunter2" not in out.out + out.err
