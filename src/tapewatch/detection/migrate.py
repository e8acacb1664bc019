"""State under changed rules: unchanged rules keep theirs, changed ones start cold, alerts of the others resolve."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tapewatch.alerts.codes import CLOSED, RESOLVED, RULE_CHANGED
from tapewatch.alerts.rows import EVENT
from tapewatch.detection.engine import Engine
from tapewatch.detection.layout import cold_dtype, hot_dtype
from tapewatch.detection.narrate import Narrator
from tapewatch.detection.rules import Rule, RuleSet, compile_rules
from tapewatch.detection.state import SymbolTable
from tapewatch.model.alerts import Alert
from tapewatch.model.errors import InputError, UnknownLayoutError


def migrate(
    old_rules: Sequence[tuple[Rule, str]], rows: Iterable[tuple[str, bytes]], new: Engine, detected: str | None
) -> tuple[list[tuple[str, bytes]], list[Alert]]:
    """Carry a shard's rows over to another rule set.

    `old_rules` are the rules (with their versions) that the rows were written under. Returns all rows under the new
    layout, which `new` has loaded, and a last revision, resolved with reason `rule_changed` and dated to the symbol's
    last tick, for each open alert of a rule that is gone or changed. UnknownLayoutError where rows cannot be read.
    """
    old, table = read_rows(old_rules, rows)
    kept = {(r.name, r.version): i for i, r in enumerate(new.rules.rules)}
    events = [e for slot in range(len(table.instruments)) for e in _endings(table, slot, old, kept)]
    ended = np.array(events, EVENT).view(np.recarray) if events else np.zeros(0, EVENT).view(np.recarray)
    alerts = Narrator(old, table.instruments, new.facts).alerts(ended, detected)
    new.adopt(table, [(i, kept.get((r.name, r.version))) for i, r in enumerate(old.rules)])
    return new.changed_rows(), alerts


def read_rows(old_rules: Sequence[tuple[Rule, str]], rows: Iterable[tuple[str, bytes]]) -> tuple[RuleSet, SymbolTable]:
    """Rows as the rules (with their versions) read them that they were written under. UnknownLayoutError where another
    version wrote them."""
    try:
        old = compile_rules("before", tuple(rule for rule, _ in old_rules))
    except InputError as error:
        raise UnknownLayoutError(f"the state belongs to rules that this tapewatch does not know: {error}") from error
    for rule, (_, version) in zip(old.rules, old_rules, strict=True):
        if rule.version != version:
            raise UnknownLayoutError(
                f"rule {rule.name!r} was written as version {version} by another tapewatch, whose state this one"
                " cannot read: build it again from the tape (embedded: in a new data directory; reports read the old)"
            )
    detectors = [r.detector for r in old.rules]
    table = SymbolTable(
        hot_dtype(detectors, max((r.closes for r in old.rules), default=0)),
        cold_dtype(len(detectors)),
        lambda _: (0, 0),
    )
    table.load(sorted(rows))
    return old, table


def _endings(table: SymbolTable, slot: int, old: RuleSet, kept: dict[tuple[str, str], int]) -> list[Any]:
    head, cold = table.hot[slot].head, table.cold[slot]
    found = []
    for i, rule in enumerate(old.rules):
        for side in range(2):
            episode = cold.episodes[2 * i + side]
            if episode["state"] == CLOSED or (rule.name, rule.version) in kept or rule.rule.alert == "each":
                continue
            episode["state"] = CLOSED
            episode["revision"] += 1
            found.append(_event(slot, i, side, rule.detector.has_direction, head, episode))
    return found


def _event(slot: int, rule: int, side: int, directed: bool, head: Any, episode: Any) -> Any:
    event = np.zeros(1, EVENT)[0]
    event["kind"], event["slot"], event["rule"], event["reason"] = RESOLVED, slot, rule, RULE_CHANGED
    event["direction"] = (1 if side == 0 else -1) if directed else 0
    event["event_ns"], event["k"], event["phase"] = head.event_ns, head.k, head.phase
    event["price"], event["before"] = head.close, episode["before"]
    event["score"], event["rarity"] = episode["score"], episode["rarity"]
    event["bars"], event["holes"] = head.count, head.holes
    event["phase_bars"] = head.phase_n[head.phase]
    event["episode"] = episode
    return event
