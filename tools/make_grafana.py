"""Writes deploy/grafana/dashboards/tapewatch.json from the table below; a test makes it again and compares."""

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple  # Grafana's dashboards are free JSON

OUT = Path(__file__).parent.parent / "deploy" / "grafana" / "dashboards" / "tapewatch.json"
_SOURCE = {"type": "prometheus", "uid": "tapewatch"}
_WIDTH, _HEIGHT, _A_ROW = 8, 8, 3


class Panel(NamedTuple):
    """One graph: `shown` are pairs of an expression and the legend of its lines."""

    title: str
    unit: str
    shown: tuple[tuple[str, str], ...]


def _quantiles(metric: str) -> tuple[tuple[str, str], ...]:
    rate = f"sum by (le) (rate({metric}_bucket[1m]))"
    return tuple((f"histogram_quantile({q}, {rate})", f"p{q * 100:g}") for q in (0.5, 0.99))


def _by_shard(expression: str) -> tuple[tuple[str, str], ...]:
    return ((f"sum by (topic, partition) ({expression})", "{{topic}}/{{partition}}"),)


PANELS: tuple[Panel, ...] = (
    Panel("Records by fate", "cps", (("sum by (fate) (rate(tapewatch_records_judged_total[1m]))", "{{fate}}"),)),
    Panel("From the append to the alert's commit", "s", _quantiles("tapewatch_alert_commit_seconds")),
    Panel("Lag by shard", "short", _by_shard("tapewatch_lag_records")),
    Panel("Messages in flight", "short", _by_shard("tapewatch_messages_in_flight")),
    Panel("Outbox", "short", _by_shard("tapewatch_outbox_entries")),
    Panel("Batches", "cps", (
        ("sum(rate(tapewatch_batches_dispatched_total[1m]))", "dispatched"),
        ("sum(rate(tapewatch_batches_redispatched_total[1m]))", "dispatched again"),
        ("sum(rate(tapewatch_batches_judged_total[1m]))", "committed"),
        ("sum(rate(tapewatch_batches_given_back_total[1m]))", "given back"),
    )),
    Panel("Commits refused", "cps", (("sum by (reason) (rate(tapewatch_commits_refused_total[1m]))", "{{reason}}"),)),
    Panel("Claims and rebuilds", "short", (
        ("sum(increase(tapewatch_shard_claims_total[5m]))", "claims"),
        ("sum(increase(tapewatch_shard_rebuilds_total[5m]))", "rebuilds"),
        ("sum(increase(tapewatch_gap_records_total[5m]))", "records in gaps"),
    )),
    Panel("Minutes told, behind the farthest shard", "s", (
        ("max(tapewatch_breadth_through_seconds) - min(tapewatch_breadth_through_seconds)", "the last shard"),
    )),
    Panel("Sinks: messages left to read", "short", (("sum by (instance, topic) (tapewatch_sink_lag)",
                                                     "{{instance}} {{topic}}"),)),
    Panel("From Kafka to the document", "s", _quantiles("tapewatch_index_delay_seconds")),
    Panel("Documents by fate", "cps", (("sum by (fate) (rate(tapewatch_index_documents_total[1m]))", "{{fate}}"),)),
    Panel("Notices", "cps", (("sum by (what, channel) (rate(tapewatch_notices_total[5m]))", "{{what}} {{channel}}"),)),
    Panel("API: requests by status", "reqps", (("sum by (status) (rate(tapewatch_http_requests_total[1m]))",
                                                "{{status}}"),)),
    Panel("API: time to answer", "s", _quantiles("tapewatch_http_request_seconds")),
    Panel("API: listeners", "short", (("sum(tapewatch_stream_clients)", "clients"),)),
)  # fmt: skip


def dashboard() -> dict[str, Any]:
    """The dashboard as Grafana imports it."""
    return {
        "uid": "tapewatch",
        "title": "tapewatch",
        "schemaVersion": 39,
        "refresh": "10s",
        "time": {"from": "now-30m", "to": "now"},
        "panels": [_panel(number, panel) for number, panel in enumerate(PANELS)],
    }


def text() -> str:
    """The file's content."""
    return json.dumps(dashboard(), indent=1, sort_keys=True) + "\n"


def main() -> None:
    """Write the file."""
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(text())
    sys.stdout.write(f"{OUT}\n")


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    row, column = divmod(number, _A_ROW)
    targets = [
        {"refId": chr(ord("A") + i), "datasource": _SOURCE, "expr": expression, "legendFormat": legend}
        for i, (expression, legend) in enumerate(panel.shown)
    ]
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "datasource": _SOURCE,
        "gridPos": {"x": column * _WIDTH, "y": row * _HEIGHT, "w": _WIDTH, "h": _HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": targets,
    }


if __name__ == "__main__":
    main()
