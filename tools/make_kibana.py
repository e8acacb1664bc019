"""Writes deploy/kibana/alerts.ndjson: the data view and the dashboard of alerts, from the table below.

A test makes it again and compares, and holds every field to the mapping of the index.
"""

import json
import sys
from pathlib import Path
from typing import Any  # Kibana's saved objects are free JSON

OUT = Path(__file__).parent.parent / "deploy" / "kibana" / "alerts.ndjson"
VIEW, DASHBOARD, NEWEST = "tapewatch-alerts", "tapewatch-dashboard", "tapewatch-newest"
TIME = "timestamp"
COLUMNS = ("symbol", "severity", "state", "change_pct", "rule", "message")
PANELS: tuple[tuple[str, str, str, str | None], ...] = (
    ("alerts", "Alerts", "metric", None),
    ("over-time", "Alerts over time by severity", "histogram", "severity"),
    ("severity", "By severity", "pie", "severity"),
    ("rule", "By rule", "pie", "rule"),
    ("symbol", "Symbols with the most alerts", "table", "symbol"),
    ("state", "By state", "pie", "state"),
)
"""Id, title, kind of visualization, field that it is split by."""
_WIDTH, _HEIGHT, _A_ROW = 16, 12, 3


def objects() -> list[dict[str, Any]]:
    """The saved objects in the order of the file: what is referred to comes first."""
    view = {"title": "alerts", "name": "tapewatch: alerts", "timeFieldName": TIME}
    return [
        _object("index-pattern", VIEW, view, []),
        *(_visualization(*panel) for panel in PANELS),
        _newest(),
        _dashboard(),
    ]


def main() -> None:
    """Write the file."""
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(text())
    sys.stdout.write(f"{OUT}\n")


def text() -> str:
    """The file's content."""
    return "".join(json.dumps(o, sort_keys=True) + "\n" for o in objects())


def _object(kind: str, name: str, attributes: dict[str, Any], references: list[dict[str, str]]) -> dict[str, Any]:
    return {"type": kind, "id": name, "attributes": attributes, "references": references}


def _on_view() -> list[dict[str, str]]:
    return [{"type": "index-pattern", "id": VIEW, "name": "kibanaSavedObjectMeta.searchSourceJSON.index"}]


def _source() -> dict[str, str]:
    query = {"query": "", "language": "kuery"}
    index = "kibanaSavedObjectMeta.searchSourceJSON.index"
    return {"searchSourceJSON": json.dumps({"query": query, "filter": [], "indexRefName": index})}


def _visualization(name: str, title: str, kind: str, field: str | None) -> dict[str, Any]:
    aggs: list[dict[str, Any]] = [{"id": "1", "enabled": True, "type": "count", "schema": "metric", "params": {}}]
    if kind == "histogram":
        params = {"field": TIME, "interval": "auto", "min_doc_count": 1}
        aggs.append({"id": "2", "enabled": True, "type": "date_histogram", "schema": "segment", "params": params})
    if field:
        schema = {"histogram": "group", "table": "bucket"}.get(kind, "segment")
        terms = {"field": field, "size": 10, "order": "desc", "orderBy": "1"}
        aggs.append({"id": "3", "enabled": True, "type": "terms", "schema": schema, "params": terms})
    state = {"title": title, "type": kind, "aggs": aggs, "params": {"addTooltip": True, "addLegend": True}}
    attributes = {
        "title": title,
        "visState": json.dumps(state),
        "uiStateJSON": "{}",
        "kibanaSavedObjectMeta": _source(),
    }
    return _object("visualization", f"tapewatch-{name}", attributes, _on_view())


def _newest() -> dict[str, Any]:
    attributes = {
        "title": "Newest alerts",
        "columns": list(COLUMNS),
        "sort": [[TIME, "desc"]],
        "kibanaSavedObjectMeta": _source(),
    }
    return _object("search", NEWEST, attributes, _on_view())


def _dashboard() -> dict[str, Any]:
    panels: list[dict[str, Any]] = []
    references: list[dict[str, str]] = []
    shown = [*((f"tapewatch-{name}", "visualization") for name, *_ in PANELS), (NEWEST, "search")]
    for number, (name, kind) in enumerate(shown):
        row, column = divmod(number, _A_ROW)
        wide = _WIDTH * _A_ROW if kind == "search" else _WIDTH
        grid = {"x": _WIDTH * column, "y": _HEIGHT * row, "w": wide, "h": _HEIGHT, "i": str(number)}
        panels.append({"type": kind, "gridData": grid, "panelIndex": str(number), "panelRefName": f"panel_{number}"})
        references.append({"type": kind, "id": name, "name": f"{number}:panel_{number}"})
    attributes = {
        "title": "tapewatch: alerts",
        "description": "What tapewatch found. Made by tools/make_kibana.py.",
        "panelsJSON": json.dumps([p | {"embeddableConfig": {}} for p in panels]),
        "optionsJSON": json.dumps({"useMargins": True, "hidePanelTitles": False}),
        "timeRestore": True,
        "timeFrom": "now-2y",  # a replay of old data has old times
        "timeTo": "now",
        "kibanaSavedObjectMeta": {"searchSourceJSON": json.dumps({"query": {"query": "", "language": "kuery"}})},
    }
    return _object("dashboard", DASHBOARD, attributes, references)


if __name__ == "__main__":
    main()
