"""A change of rules while state exists: one compare-and-set at the committed position."""

from collections.abc import Sequence

import msgspec

from tapewatch.detection.breadth_buffer import MINUTE_KEY
from tapewatch.detection.engine import Engine
from tapewatch.detection.migrate import migrate, read_rows
from tapewatch.detection.rule_diff import diff_rules
from tapewatch.detection.rules import Rule, RuleSet, compile_rules
from tapewatch.model.alerts import AuditEntry
from tapewatch.model.errors import UnknownLayoutError
from tapewatch.model.times import format_rfc3339
from tapewatch.stores.port import Commit, OutboxEntry, ShardHead, ShardStore, StateRow

MANIFEST = "*|rules"
MERGER = "*|groups"
"""What the merger of breadth records remembers."""


class _Manifest(msgspec.Struct, frozen=True):
    """The rules that a shard's rows were written under, with their versions."""

    name: str
    rules: list[tuple[Rule, str]]


def manifest_row(rules: RuleSet) -> StateRow:
    """The row that tells a later version which rules the shard's rows belong to."""
    manifest = _Manifest(rules.name, [(r.rule, r.version) for r in rules.rules])
    return StateRow(MANIFEST, msgspec.json.encode(manifest))


def rules_in(manifest: bytes) -> list[tuple[str, str]]:
    """Names and versions of the rules in a manifest row."""
    return [(rule.name, version) for rule, version in msgspec.json.decode(manifest, type=_Manifest).rules]


def check_rows(rows: Sequence[StateRow], engine: Engine) -> None:
    """Return where this version can read the rows: as they are, or to bring them to the rules of `engine` (which is
    worthless then); else UnknownLayoutError."""
    before, symbols = _parts(rows)
    now = [(rule.name, rule.version) for rule in engine.rules.rules]
    if before is None or [(rule.name, version) for rule, version in before.rules] == now:
        engine.load((row.key, row.data) for row in rows)
    else:
        read_rows(before.rules, symbols)


def _parts(rows: Sequence[StateRow]) -> tuple[_Manifest | None, list[tuple[str, bytes]]]:
    """The manifest, and the rows of symbols. UnknownLayoutError for rows that no manifest explains."""
    data = next((r.data for r in rows if r.key == MANIFEST), None)
    symbols = [(r.key, r.data) for r in rows if not r.key.startswith("*|")]
    if data is None:
        if symbols:
            raise UnknownLayoutError("the state does not say which rules it belongs to; it must be rebuilt")
        return None, symbols
    try:
        return msgspec.json.decode(data, type=_Manifest), symbols
    except msgspec.MsgspecError as error:
        raise UnknownLayoutError(f"another version wrote which rules the state belongs to: {error}") from error


def change_rules(store: ShardStore, head: ShardHead, rows: list[StateRow], engine: Engine, now_ns: int) -> ShardHead:
    """Bring a shard from its stored rules to the engine's, at `head.next`; returns the head as it is then stored."""
    manifest, symbols = _parts(rows)
    before = manifest or _Manifest("", [])
    new_rows, alerts = migrate(before.rules, symbols, engine, format_rfc3339(now_ns))
    outbox = [OutboxEntry("alert", a.symbol.upper(), msgspec.json.encode(a)) for a in alerts]
    outbox.append(OutboxEntry("audit", "*", msgspec.json.encode(_audit(before, engine.rules, head.next, now_ns))))
    kept = [r for r in rows if r.key in (MERGER, MINUTE_KEY)]  # markets know of no rules
    engine.load((r.key, r.data) for r in kept)
    state = [*(StateRow(key, value) for key, value in new_rows), *kept]
    commit = Commit(
        head.shard, head.incarnation, head.fingerprint, head.epoch, head.next, head.next,
        [*state, manifest_row(engine.rules)], outbox, {},
    )  # fmt: skip
    store.set_fingerprint(commit, engine.fingerprint)
    return ShardHead(head.shard, head.incarnation, engine.fingerprint, head.epoch, head.next, head.fates)


def _audit(before: _Manifest, rules: RuleSet, position: int, now_ns: int) -> AuditEntry:
    found = diff_rules(compile_rules(before.name, tuple(rule for rule, _ in before.rules)).rules, rules.rules)
    return AuditEntry(
        seq=0,
        at_ns=now_ns,
        actor="configuration",
        action="rules_changed",
        subject=rules.name,
        detail={
            "offset": position,
            "added": ", ".join(f"{name} {version}" for name, version in found.added),
            "removed": ", ".join(f"{name} {version}" for name, version in found.removed),
            "changed": "; ".join(f"{c.name}: {', '.join(map(str, c.fields))}" for c in found.changed),
        },
    )
