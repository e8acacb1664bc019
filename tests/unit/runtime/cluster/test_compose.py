"""`compose.yaml` and what it mounts, held to the Compose specification, to our settings and to the servers' versions.

No container engine runs where the tests do: docs/cluster.md lists what that leaves untried.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from tools import make_kibana

from tapewatch.runtime.cli.table import ENTRIES
from tapewatch.runtime.cluster.servers import versions
from tapewatch.runtime.config import load_settings
from tapewatch.runtime.config.layers import CONFIG_VARIABLE, NOT_SETTINGS
from tapewatch.stores.elasticsearch.indices import _PROPERTIES

ROOT = Path(__file__).parents[4]
COMPOSE = ROOT / "compose.yaml"
SERVERS = {"kafka", "redis-queue", "redis-state", "elasticsearch"}
OURS = {"generator", "bridge", "worker", "merger", "office", "beat", "indexer", "archiver", "notifier", "api"}
SECRETS = re.compile(r"\$\{(\w+):\?[^}]*\}")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())["services"]
    return found


def test_it_is_valid_by_the_compose_specification(tmp_path: Path) -> None:
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*check, str(COMPOSE)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    broken = tmp_path / "compose.yaml"
    broken.write_text(COMPOSE.read_text().replace("healthcheck:", "healthchek:", 1))
    assert subprocess.run([*check, str(broken)], capture_output=True, check=False).returncode == 1


def test_every_process_of_ours_is_a_command_that_exists(services: dict[str, Any]) -> None:
    ours = {name: s for name, s in services.items() if s["image"].startswith("tapewatch:")}
    assert set(ours) == OURS
    assert len({s["image"] for s in ours.values()}) == 1
    assert {name: s["pull_policy"] for name, s in services.items() if "build" in s} == {"bridge": "build"}
    assert {s["pull_policy"] for name, s in ours.items() if name != "bridge"} == {"never"}
    commands = {entry.name for entry in ENTRIES}
    for name, service in ours.items():
        assert service["command"][0] in commands, f"{name}: there is no command {service['command'][0]}"


def test_every_variable_of_ours_is_a_setting(services: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in OURS:
        with monkeypatch.context() as patched:
            for variable, value in services[name]["environment"].items():
                text = SECRETS.sub("sha256:" + 64 * "0", re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value))
                patched.setenv(variable, text)
            settings = load_settings().settings  # raises with every variable that names nothing or reads as nothing
        assert settings.kafka.bootstrap == "kafka:9092"
        assert settings.elasticsearch.urls == ("http://elasticsearch:9200",)


def test_a_file_of_your_own_is_read_where_it_is_mounted_and_may_be_missing(
    services: dict[str, Any], tmp_path: Path
) -> None:
    for name in OURS:
        mounts = dict(reversed(mount.split(":")[:2]) for mount in services[name]["volumes"])
        assert mounts[services[name]["working_dir"]] == "./deploy/settings"
        assert CONFIG_VARIABLE not in services[name]["environment"]  # what that names has to be there
    assert load_settings(environ={}, cwd=tmp_path).file is None
    (tmp_path / "hook").write_text("https://hooks.slack.com/services/x")
    (tmp_path / "tapewatch.toml").write_text('[rules]\nfile = "rules.toml"\n[[notify.slack]]\nurl = "file:hook"\n')
    settings = load_settings(environ={}, cwd=tmp_path).settings
    assert str(settings.rules.file) == "rules.toml" and len(settings.notify.slack) == 1


def test_who_reads_the_archive_looks_where_it_is_written(services: dict[str, Any]) -> None:
    kept = {services[name]["environment"]["TAPEWATCH_ARCHIVE__URL"] for name in OURS}
    assert kept == {"/data/archive"}


def test_our_processes_run_without_root_and_say_how_they_are(services: dict[str, Any]) -> None:
    for name in OURS:
        service = services[name]
        assert service["user"] == "10001:10001" and service["read_only"] and service["cap_drop"] == ["ALL"]
        assert "readyz" in str(service["healthcheck"]) or name in {"generator", "beat"}
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert re.search(r"^USER 10001:10001$", dockerfile, re.MULTILINE)
    variables = set(re.findall(r"\b(TAPEWATCH_\w+)=", dockerfile))
    assert variables == {"TAPEWATCH_DATA_DIR", "TAPEWATCH_CACHE_DIR"}
    assert "TAPEWATCH_CACHE_DIR" in NOT_SETTINGS  # read where kernels are kept, not with the settings


def test_images_are_pinned_to_the_versions_that_the_tests_run(services: dict[str, Any]) -> None:
    images = {name: s["image"] for name, s in services.items() if name not in OURS}
    for name, image in images.items():
        assert re.search(r":v?\d+\.\d+(\.\d+)?(-\w+)?$", image), f"{name}: {image} is not pinned"
    assert images["kafka"] == f"apache/kafka:{versions.KAFKA}"
    assert {images[n].rpartition(":")[2] for n in ("elasticsearch", "kibana", "kibana-password", "kibana-objects")} == {
        versions.ELASTICSEARCH
    }
    for name in ("redis-queue", "redis-state"):
        found = re.search(r":(\d+)\.(\d+)", images[name])
        assert found and (int(found[1]), int(found[2])) >= versions.REDIS_AT_LEAST


def test_servers_keep_what_they_must_and_answer_before_we_start(services: dict[str, Any]) -> None:
    volumes = yaml.safe_load(COMPOSE.read_text())["volumes"]
    for name, service in services.items():
        for mount in service.get("volumes", ()):
            source = mount.split(":")[0]
            assert source in volumes or (ROOT / source).exists(), f"{name} mounts {source}, which is not there"
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:"), f"{name} opens {port} to the network"
    assert all(services[name].get("healthcheck") for name in SERVERS)
    assert all(services[name].get("volumes") for name in SERVERS - {"redis-queue"})
    assert "appendonly yes" in str(services["redis-state"]["command"])
    for name in OURS - {"generator"}:
        assert {d for d, c in services[name]["depends_on"].items() if c["condition"] == "service_healthy"} == SERVERS


def test_every_secret_is_made_by_the_script_and_none_has_a_default() -> None:
    text = COMPOSE.read_text()
    wanted = set(SECRETS.findall(text))
    done = subprocess.run(["sh", str(ROOT / "deploy" / "make_env.sh")], capture_output=True, text=True, check=True)
    made = dict(line.split("=", 1) for line in done.stdout.splitlines())
    wanted |= {s["environment"] for s in yaml.safe_load(text)["secrets"].values()}
    assert set(made) == wanted
    assert all(len(value) >= 40 for value in made.values())
    plain = re.findall(r"\$\{\w*(?:PASSWORD|KEY|HASH)\w*(?::-|\})", text)
    assert plain == []


def test_the_dashboard_of_kibana_is_the_one_that_its_tool_writes_and_asks_for_fields_that_exist() -> None:
    assert make_kibana.OUT.read_text() == make_kibana.text()
    objects = [json.loads(line) for line in make_kibana.OUT.read_text().splitlines()]
    known = {(o["type"], o["id"]) for o in objects}
    assert {(r["type"], r["id"]) for o in objects for r in o["references"]} <= known
    fields = set(make_kibana.COLUMNS) | {make_kibana.TIME} | {field for *_, field in make_kibana.PANELS if field}
    assert fields <= set(_PROPERTIES["alerts"])
    (dashboard,) = (o for o in objects if o["type"] == "dashboard")
    panels = json.loads(dashboard["attributes"]["panelsJSON"])
    assert len(panels) == len(dashboard["references"]) == len(make_kibana.PANELS) + 1
