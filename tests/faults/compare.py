"""What a cluster came to, beside an uninterrupted run and beside plain arithmetic: nothing more and nothing less."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import msgspec
import redis as redis_client

from tapewatch.alerts.breadth import Merger
from tapewatch.model.alerts import Alert
from tapewatch.model.ledger import LedgerRow
from tapewatch.model.market import Group, MarketFindings, MarketMinute
from tapewatch.runtime.rule_change import MANIFEST
from tapewatch.tape.kafka_dead import read_dead
from tapewatch.tape.kafka_names import ALERTS, BREADTH, GROUPS
from tests.faults.brute import Brute
from tests.faults.rules import BRUTE
from tests.faults.stack import PARTITIONS, Cluster, wait_until
from tests.faults.uninterrupted import Uninterrupted, bare


def compare(cluster: Cluster, rules: Path, *, ledger_whole: bool = True) -> dict[str, object]:
    """Assert it, and return the figures of it. `ledger_whole`: nothing took the ledger of notices away."""
    plain, brute, wholes = Uninterrupted(rules), Brute(), []
    dead: set[tuple[int, int]] = set()
    for partition in range(PARTITIONS):
        log = cluster.log(cluster.topic, partition)
        fates = plain.feed(partition, log)
        part = Brute(found=brute.found, tied=brute.tied)
        for raw in log:
            part.feed(raw)
        assert +fates == part.fates
        dead |= {(partition, offset) for offset in part.dead}
        wholes.append(fates)
    *tape, merger = cluster.heads()
    counted = [Counter({f.name.lower(): n for f, n in head.fates.items()}) for head in tape]
    assert counted == wholes, "every record has one fate, and the one it has to have"
    tapes = cluster.rows()[:PARTITIONS]  # the merger's row shows in its groups
    others = [unlike(*pair) for pair in zip(tapes, plain.rows, strict=True)]
    assert others == [{MANIFEST}] * PARTITIONS, "the state is the same, byte by byte"
    _same_alerts_as_arithmetic(plain.alerts, brute)
    found, repeats = published(cluster)
    missing, extra = plain.alerts.keys() - found.keys(), found.keys() - plain.alerts.keys()
    assert (missing, extra) == (set(), set())
    assert found == plain.alerts
    assert {(letter.partition, letter.offset) for letter in read_dead(cluster.settings)} == dead
    assert sum(merger.fates.values()) == sum(len(raw) for raw in cluster.log(BREADTH, 0))
    groups = _same_groups(cluster, plain)
    _places(cluster, plain.alerts, ledger_whole)
    return {
        "records": sum(counted, Counter()),
        "revisions": len(found),
        "checked by arithmetic": len(brute.found),
        "revisions of groups": groups,
        "repeats on the topic": repeats,
    }


def unlike(one: Mapping[str, bytes], other: Mapping[str, bytes]) -> set[str]:
    """Keys of rows that are not the same in both."""
    return {key for key in one.keys() | other.keys() if one.get(key) != other.get(key)}


def published(cluster: Cluster) -> tuple[dict[str, Alert], int]:
    """Alert revisions on the topic by the id that consumers drop repeats by, and how many were repeats."""
    found: dict[str, Alert] = {}
    count = 0
    for partition in range(PARTITIONS):
        for raw in cluster.log(ALERTS, partition):
            for i in range(len(raw)):
                alert = bare(msgspec.json.decode(raw.data[raw.starts[i] : raw.starts[i + 1]], type=Alert))
                assert found.setdefault(f"{alert.alert_id}:{alert.revision}", alert) == alert, "not the same again"
                count += 1
    return found, count - len(found)


def _same_groups(cluster: Cluster, plain: Uninterrupted) -> int:
    """Topic and Elasticsearch hold the minutes and groups that come of what all shards say up to the final heartbeat;
    returns how many revisions of groups. What is on the topic twice has to be the same."""
    merger = Merger(sorted({said.source for said in plain.said}))
    expected = dict(_named(merger.take(said) for said in plain.said))
    found: dict[str, Group | MarketMinute] = {}
    for raw in cluster.log(GROUPS, 0):
        values = (raw.data[raw.starts[i] : raw.starts[i + 1]] for i in range(len(raw)))
        for name, item in _named(msgspec.json.decode(value, type=MarketFindings) for value in values):
            assert found.setdefault(name, item) == item, "not the same again"
    assert found == expected
    groups = [item for item in found.values() if isinstance(item, Group)]
    assert groups, "a market of the tape falls as a whole"
    goal = {group.group_id: max(g.revision for g in groups if g.group_id == group.group_id) for group in groups}
    wait_until(
        lambda: cluster.group_documents() == goal, 60, "Elasticsearch to hold the newest revision of every group"
    )
    return len(groups)


def _named(findings: Iterable[MarketFindings]) -> Iterator[tuple[str, Group | MarketMinute]]:
    for found in findings:
        yield from ((f"{group.group_id}:{group.revision}", group) for group in found.groups)
        yield from ((f"{minute.market} {minute.end_ns}", minute) for minute in found.minutes)


def _same_alerts_as_arithmetic(alerts: dict[str, Alert], brute: Brute) -> None:
    ours = {(a.rule, a.symbol, a.timestamp[:19], a.direction) for a in alerts.values() if a.rule in BRUTE}
    assert ours - brute.tied == brute.found - brute.tied
    assert len(brute.found) > 100 * len(brute.tied)


def _places(cluster: Cluster, alerts: dict[str, Alert], ledger_whole: bool) -> None:
    """Elasticsearch, the API and the ledger of notices hold each alert once."""
    goal = newest(alerts.values())
    wait_until(lambda: cluster.documents() == goal, 120, "Elasticsearch to hold the newest revision of every alert")
    listed = _listed(cluster)
    assert dict(listed) == goal and len(listed) == len(goal), "the API lists every alert once"
    if ledger_whole:
        everyone = {alert.incident_id for alert in alerts.values()}
        wait_until(lambda: _told(cluster, alerts) == everyone, 60, "a notice of every incident to be owed")


def newest(alerts: Iterable[Alert]) -> dict[str, int]:
    """The newest revision of each alert by its id."""
    found: dict[str, int] = {}
    for alert in alerts:
        found[alert.alert_id] = max(found.get(alert.alert_id, 0), alert.revision)
    return found


def _told(cluster: Cluster, alerts: dict[str, Alert]) -> set[str]:
    """Incidents with a notice, all of which are of revisions that there are. Notices of groups are beside those."""
    groups = set(cluster.group_documents())
    alone = [row for row in ledger(cluster) if row.alert_id not in groups]
    return {alerts[f"{row.alert_id}:{row.revision}"].incident_id for row in alone}


def _listed(cluster: Cluster) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    at: str | None = "/v1/alerts?limit=500"
    with httpx.Client(base_url=cluster.api, timeout=30, trust_env=False) as client:
        while at is not None:
            page = client.get(at).raise_for_status().json()
            found += [(item["alert_id"], item["revision"]) for item in page["items"]]
            at = page["next"]
    return found


def ledger(cluster: Cluster) -> list[LedgerRow]:
    """All notices that were ever owed; each once, since the ledger's keys are (alert, revision, channel, recipient)."""
    client: Any = redis_client.Redis.from_url(cluster.state.address)
    rows = [msgspec.json.decode(value, type=LedgerRow) for value in client.hvals("tapewatch:{notices}:rows")]
    client.close()
    return rows
