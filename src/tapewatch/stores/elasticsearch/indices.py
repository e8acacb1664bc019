"""The indices: their mappings, the templates that make the monthly ones, and how old ones go.

Plain indices and composable templates, which every distribution has: no data streams, no lifecycle policies, no
scripts, no pipelines. What is not in a mapping is kept in the document and not searched, so that no detail of any rule
can make a mapping grow or a document be refused.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from elasticsearch import Elasticsearch

from tapewatch.model.errors import InputError
from tapewatch.model.times import DAY_NS, SECOND_NS
from tapewatch.stores.elasticsearch.client import answering

ALERTS, INCIDENTS, CASES, AUDIT, AUDIT_HEAD = "alerts", "incidents", "cases", "audit", "audit-head"
SILENCES = "silences"
SIGNALS, TICKS, GROUPS, MINUTES = "signals", "ticks", "groups", "market-minutes"
DEAD_LETTERS, REPORT_TASKS, REPORT_FILES = "dead-letters", "report-tasks", "report-files"
MONTHLY = (SIGNALS, TICKS)

_KEYWORD: dict[str, Any] = {"type": "keyword", "ignore_above": 1024}
_TEXT: dict[str, Any] = {"type": "text"}
_LONG, _INT, _DOUBLE, _BOOL = ({"type": t} for t in ("long", "integer", "double", "boolean"))
# Times before 1970 do not fit date_nanos: such a document is kept, and found by the time in nanoseconds beside it.
_TIME: dict[str, Any] = {"type": "date_nanos", "ignore_malformed": True}
_STORED: dict[str, Any] = {"type": "object", "enabled": False}  # in the document, not searched


def _fields(kind: dict[str, Any], names: str) -> dict[str, Any]:
    return dict.fromkeys(names.split(), kind)


_PROPERTIES: dict[str, dict[str, Any]] = {
    ALERTS: (
        _fields(_KEYWORD, "alert_id incident_id rule rule_version detector category venue symbol currency direction")
        | _fields(_KEYWORD, "alert_type state change reason severity phase statistic")
        | _fields(_DOUBLE, "score rarity_days price price_before price_extreme change_pct peak_change_pct volume")
        | _fields(_DOUBLE, "notional notional_ratio value threshold margin")
        | _fields(_LONG, "ts_event_ns onset_ns offset")
        | _fields(_INT, "revision onset_k signals")
        | _fields(_TIME, "timestamp onset timestamp_detection")
        | _fields(_TEXT, "message market")
        | {"calibrated": _BOOL, "details": _STORED, "last_ticks": _STORED, "health": _STORED}
    ),
    SIGNALS: (
        _fields(_KEYWORD, "signal_id alert_id rule rule_version detector venue symbol direction statistic")
        | _fields(_KEYWORD, "settles outcome")
        | _fields(_DOUBLE, "price score value threshold change_pct")
        | _fields(_LONG, "ts_event_ns offset")
        | _fields(_TIME, "timestamp timestamp_detection")
        | {"k": _INT, "provisional": _BOOL, "details": _STORED}
    ),
    INCIDENTS: (
        _fields(_KEYWORD, "incident_id category venue symbol state severity direction alerts rules types")
        | _fields(_DOUBLE, "score peak_change_pct")
        | _fields(_LONG, "onset_ns updated_ns")
        | {"open_alerts": _INT, "onset": _TIME, "message": _TEXT}
    ),
    CASES: (
        _fields(_KEYWORD, "alert_id status assignee acknowledged_by disposition closed_by")
        | _fields(_LONG, "version acknowledged_at_ns closed_at_ns")
        | {"comments": _STORED}
    ),
    AUDIT: _fields(_KEYWORD, "actor action subject") | _fields(_LONG, "seq at_ns") | {"detail": _STORED},
    AUDIT_HEAD: {},
    SILENCES: {"silence_id": _KEYWORD, "silence": _STORED},
    GROUPS: (
        _fields(_KEYWORD, "group_id market state direction")
        | _fields(_LONG, "from_ns opened_ns last_ns until_ns")
        | _fields(_INT, "revision active past")
        | {"move_pct": _DOUBLE, "message": _TEXT, "members": _STORED}
    ),
    MINUTES: {"market": _KEYWORD, "end_ns": _LONG, "minute": _STORED},
    DEAD_LETTERS: (
        _fields(_KEYWORD, "source") | _fields(_LONG, "number position offset") | _fields(_TEXT, "reason raw")
    ),
    REPORT_TASKS: _fields(_KEYWORD, "task_id status") | _fields(_LONG, "created_ns updated_ns"),
    REPORT_FILES: {},
    TICKS: (
        _fields(_KEYWORD, "tick_id symbol venue kind fate")
        | _fields(_DOUBLE, "open high low close volume")
        | _fields(_LONG, "ts_event_ns interval_ns offset ts_append_ns trade_id_hash")
        | {"timestamp": _TIME, "side": _INT}
    ),
}

ALL = tuple(_PROPERTIES)
FOUND = (ALERTS, INCIDENTS, SIGNALS, GROUPS, MINUTES, DEAD_LETTERS)
"""The families that the indexer writes."""
DONE = (CASES, SILENCES, AUDIT, AUDIT_HEAD, REPORT_TASKS, REPORT_FILES)
"""The families that people's requests write."""


def ensure_indices(
    client: Elasticsearch, prefix: str = "", *, replicas: int = 0, refresh: str = "1s", only: Sequence[str] = ALL
) -> None:
    """Write the templates (a newer tapewatch's over an older one's) and make the indices that are not monthly.

    Of several processes that do it at once, none fails. `only` are the families that are needed; `refresh` is how long
    a document may take to be found.
    """
    for name in only:
        properties = _PROPERTIES[name]
        pattern = f"{prefix}{name}-*" if name in MONTHLY else f"{prefix}{name}"
        template: dict[str, Any] = {
            "mappings": {"dynamic": False, "properties": properties},
            "settings": {"number_of_shards": 1, "number_of_replicas": replicas, "refresh_interval": refresh},
        }
        with answering(f"writing the template of {pattern}"):
            client.indices.put_index_template(
                name=f"tapewatch-{prefix}{name}", index_patterns=[pattern], template=template, priority=500
            )
            if name not in MONTHLY:
                made = client.options(ignore_status=400).indices.create(index=pattern)
                if made.meta.status == 400:  # it is there: fields that are new to it are added
                    client.indices.put_mapping(index=pattern, properties=properties)


def month_of(ts_ns: int) -> str:
    """`YYYY.MM` of a time.

    >>> month_of(1_744_034_400_000_000_000)
    '2025.04'
    """
    moment = datetime.fromtimestamp(ts_ns // SECOND_NS, tz=UTC)
    return f"{moment.year:04}.{moment.month:02}"


def remove_old_months(client: Elasticsearch, now_ns: int, days: Mapping[str, float], prefix: str = "") -> list[str]:
    """Delete the monthly indices all of whose times lie more than so many days ago; return their names.

    `days` is by family (`signals`, `ticks`); one that is not named is kept. A time is the market's, not that of
    writing: a replay of an old tape is as old as the tape. Raises InputError for an unknown family or a negative age.
    """
    removed = []
    for family, kept in days.items():
        if family not in MONTHLY or kept < 0:
            raise InputError(f"cannot keep {family} for {kept} days: {' and '.join(MONTHLY)} have months")
        before_ns = int(now_ns - kept * DAY_NS)
        with answering(f"listing the indices of {family}"):
            names = client.indices.get(index=f"{prefix}{family}-*", allow_no_indices=True, features="aliases")
        for name in sorted(names):
            end_ns = _month_end_ns(name.removeprefix(f"{prefix}{family}-"))
            if end_ns is not None and end_ns <= before_ns:
                with answering(f"deleting {name}"):
                    client.options(ignore_status=404).indices.delete(index=name)  # 404: another process was first
                removed.append(name)
    return removed


def _month_end_ns(month: str) -> int | None:
    """Where the month ends; None for a name that is not one of ours."""
    found = re.fullmatch(r"(\d{4})\.(0[1-9]|1[0-2])", month, re.ASCII)
    if found is None:
        return None
    year, number = int(found[1]), int(found[2])
    following = datetime(year + number // 12, number % 12 + 1, 1, tzinfo=UTC)
    return int(following.timestamp()) * SECOND_NS
