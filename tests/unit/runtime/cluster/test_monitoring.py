"""Alarms, dashboard and runbook, held to the metrics that the code exports."""

import ast
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry, generate_latest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient
from tools import make_grafana

from tapewatch.notify.counts import Counts
from tapewatch.runtime.cluster.figures import JudgeFigures
from tapewatch.web.api.guard import Guard
from tapewatch.web.api.settings import ApiSettings

ROOT = Path(__file__).parents[4]
SUFFIXES = {"Counter": ("_total",), "CounterMetricFamily": ("_total",), "Gauge": ("",), "GaugeMetricFamily": ("",)}
DISTRIBUTION = ("_bucket", "_sum", "_count")
OF_PROMETHEUS = {"up"}


def exported() -> set[str]:
    """The names of all series that the sources can export: the first argument of each metric that is made; where it is
    a variable, it goes through a table of the file's own."""
    names: set[str] = set()
    for path in (ROOT / "src").rglob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text())))
        table = [str(n.value) for n in nodes if isinstance(n, ast.Constant) and str(n.value).startswith("tapewatch_")]
        for node in nodes:
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
                first, suffixes = node.args[0], suffixes_of(node.func.id)
                here = [str(first.value)] if isinstance(first, ast.Constant) else []
                found = table if isinstance(first, ast.Name) else here
                names |= {name + suffix for name in found for suffix in suffixes}
    return names


def suffixes_of(kind: str) -> tuple[str, ...]:
    return DISTRIBUTION if "Histogram" in kind else SUFFIXES.get(kind, ())


def series(expression: str) -> set[str]:
    return set(re.findall(r"\btapewatch_\w+|\bup\b", expression))


@pytest.fixture(scope="module")
def alarms() -> list[dict[str, Any]]:
    groups = yaml.safe_load((ROOT / "deploy/prometheus/rules.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_every_alarm_asks_for_metrics_that_exist(alarms: list[dict[str, Any]]) -> None:
    known = exported() | OF_PROMETHEUS
    assert {"tapewatch_records_total", "tapewatch_gap_records_total"} <= known
    for alarm in alarms:
        asked = series(alarm["expr"])
        assert asked and asked <= known, f"{alarm['alert']} asks for {asked - known}"


def test_every_panel_asks_for_metrics_that_exist_and_the_file_is_the_one_that_its_tool_writes() -> None:
    known = exported()
    for panel in make_grafana.PANELS:
        for expression, _ in panel.shown:
            asked = series(expression)
            assert asked and asked <= known, f"{panel.title} asks for {asked - known}"
    assert make_grafana.OUT.read_text() == make_grafana.text()


def test_every_alarm_has_a_page_that_says_what_to_do_and_no_page_is_left_over(alarms: list[dict[str, Any]]) -> None:
    pages = {ROOT / alarm["annotations"]["runbook"] for alarm in alarms}
    assert pages == set((ROOT / "docs/runbook").glob("*.md")) - {ROOT / "docs/runbook/README.md"}
    index = (ROOT / "docs/runbook/README.md").read_text()
    for alarm in alarms:
        text = (ROOT / alarm["annotations"]["runbook"]).read_text()
        assert text.startswith(f"# {alarm['alert']}\n")
        for part in ("**It means.**", "**People notice.**", "**Look.**", "**Do.**"):
            assert part in text, f"{alarm['annotations']['runbook']} lacks {part}"
        assert f"[{alarm['alert']}]({Path(alarm['annotations']['runbook']).name})" in index
        assert alarm["labels"]["severity"] in {"warning", "critical"}


def test_alarms_fire_on_what_is_counted_for_the_first_time() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed: it comes with Prometheus")
    rules = ROOT / "deploy/prometheus/rules_test.yml"
    done = subprocess.run([promtool, "test", "rules", str(rules)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_an_alarm_sees_growing_is_there_from_the_start() -> None:
    registry = CollectorRegistry()
    JudgeFigures(registry, lambda: 0)
    JudgeFigures(registry_of_merger := CollectorRegistry(), lambda: 0, "tapewatch_minutes_judged")
    assert 'tapewatch_records_judged_total{fate="dead"} 0.0' in generate_latest(registry).decode()
    assert "tapewatch_records_judged_total" not in generate_latest(registry_of_merger).decode()
    assert Counts(["mail"]).snapshot()["dead", "mail"] == 0


def test_the_api_answers_to_the_names_that_prometheus_asks_for() -> None:
    scraped = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())["scrape_configs"]
    targets = [
        at for job in scraped if job["job_name"] == "tapewatch-api" for at in job["static_configs"][0]["targets"]
    ]
    settings = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["api"]["environment"]
    hosts = tuple(json.loads(settings["TAPEWATCH_API__ALLOWED_HOSTS"]))
    api = ApiSettings(host=settings["TAPEWATCH_API__HOST"], allowed_hosts=hosts)
    guarded = TestClient(Guard(PlainTextResponse("inside"), api))
    assert targets
    for target in targets:
        assert guarded.get("/metrics", headers={"host": target}).text == "inside"
    assert guarded.get("/metrics", headers={"host": "elsewhere:8000"}).status_code == 421


def test_prometheus_asks_every_process_of_ours_and_sees_one_that_ended(alarms: list[dict[str, Any]]) -> None:
    scraped = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())["scrape_configs"]
    by_dns = {job["job_name"]: set(found["names"]) for job in scraped for found in job.get("dns_sd_configs", ())}
    fixed = {at.split(":")[0] for job in scraped for found in job.get("static_configs", ()) for at in found["targets"]}
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    ours = {name: s for name, s in services.items() if s["image"].startswith("tapewatch:")}
    assert by_dns == {"tapewatch-workers": {"worker"}, "tapewatch-generator": {"generator"}}
    assert fixed == set(ours) - {"worker", "generator"}
    assert {name for name in fixed if "replicas" in ours[name].get("deploy", {})} == set()
    (down,) = (alarm["expr"] for alarm in alarms if alarm["alert"] == "TapewatchProcessDown")
    assert 'absent(up{job="tapewatch-workers"})' in down  # a name that DNS has no longer is no target that is down
