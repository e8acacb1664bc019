"""Rules: a detector with its parameters, the symbols it watches and a severity; configuration with a name and a
version."""

import fnmatch
import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec
import numpy as np

from tapewatch.alerts.codes import DATA_QUALITY, NEVER_NS, PRICE, VOLUME
from tapewatch.detection.calendars import Phase
from tapewatch.detection.detectors.base import Detector, Params
from tapewatch.detection.durations import Duration, duration_ns
from tapewatch.detection.layout import LAYOUT, params_dtype
from tapewatch.detection.registry import detector_named
from tapewatch.model.alerts import CRITICAL_AT, HIGH_AT, OPENS_AT, Severity
from tapewatch.model.errors import InputError
from tapewatch.model.instruments import Instrument
from tapewatch.model.times import DAY_NS, SECOND_NS, parse_rfc3339

CEILINGS: dict[Severity, float] = {
    "low": OPENS_AT - 0.01,
    "medium": HIGH_AT - 0.01,
    "high": CRITICAL_AT - 0.01,
    "critical": 100.0,
}
CATEGORIES = {"price": PRICE, "volume": VOLUME, "data_quality": DATA_QUALITY}
_NAME = re.compile(r"[A-Za-z0-9._:-]{1,64}")  # what may stand in a query of the API as it is
ALL_PHASES = ("closed", "pre", "regular", "post", "continuous")


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One rule as it stands in a rules file. `None` means: what suits the detector."""

    name: str
    detector: str
    params: dict[str, Any] = {}
    severity: Severity = "critical"  # a ceiling
    symbols: tuple[str, ...] = ("*",)  # shell patterns of SYMBOL or VENUE:SYMBOL
    exclude: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()  # patterns of calibration groups; empty: all
    phases: tuple[str, ...] | None = None
    alert: Literal["episode", "each"] = "episode"  # each: every signal is an alert of its own
    keep_firing_bars: int = 10
    keep_firing_for: Duration = "5m"  # trades
    cooldown: Duration = "30m"
    chunk: Duration = "5s"  # trades are judged in chunks of this length, where the detector sees chunks: 1s to 1d
    enabled: bool = True
    enabled_from: str | None = None  # RFC 3339, event time
    enabled_until: str | None = None
    owner: str = ""
    text: str = ""

    def watches(self, instrument: Instrument, group: str = "") -> bool:
        """Does the rule watch this symbol, which belongs to this group?"""
        names = (instrument.symbol, str(instrument))

        def hit(patterns: tuple[str, ...]) -> bool:
            return any(fnmatch.fnmatchcase(n, p) for p in patterns for n in names)

        in_group = not self.groups or any(fnmatch.fnmatchcase(group, p) for p in self.groups)
        return in_group and hit(self.symbols) and not hit(self.exclude)


class RulesFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rules file, parsed."""

    name: str = ""
    judge_late: bool = False
    rules: tuple[Rule, ...] = ()


class CompiledRule(msgspec.Struct, frozen=True):
    """A rule with its detector, its checked parameters and its version."""

    rule: Rule
    detector: Detector
    params: Params
    version: str  # 12 hex digits
    closes: int

    @property
    def name(self) -> str:
        return self.rule.name


class RuleSet(msgspec.Struct, frozen=True):
    """Rules in order, compiled; `fingerprint` changes with whatever changes what they find."""

    name: str
    rules: tuple[CompiledRule, ...]
    chunk_ns: int = 5 * SECOND_NS  # length of the chunks that trades are judged in
    judge_late: bool = False  # judge late ticks in the order in which they arrive, as the first prototype did

    def record(self) -> "np.recarray[Any, Any]":
        """The compiled parameters of all rules: one record of `params_dtype`."""
        record = np.zeros(1, params_dtype([r.detector for r in self.rules]))
        for i, rule in enumerate(self.rules):
            for key, value in _common(rule, i).items():
                record[f"c{i}"][key] = value
            for key, value in rule.detector.pack(rule.params).items():
                record[f"p{i}"][key] = value
        return record.view(np.recarray)

    def mask(self, instrument: Instrument, group: str = "") -> int:
        """Bit i: rule i watches this symbol of this group."""
        return sum(1 << i for i, r in enumerate(self.rules) if r.rule.watches(instrument, group))

    def refuse_unknown_groups(self, known: Iterable[str]) -> None:
        """InputError for a rule with a pattern of groups that none of a calibration matches: it would watch nothing."""
        names = sorted(known)
        for rule in self.rules:
            for pattern in rule.rule.groups:
                if not fnmatch.filter(names, pattern):
                    had = ", ".join(names)
                    raise InputError(f"rule {rule.name!r}: the calibration has no group {pattern!r}; it has {had}")

    def fingerprint(self, calibration: str) -> str:
        """24 hex digits over names, versions and scopes of the rules, the layout and the calibration's digest."""
        scopes = [(r.name, r.version, r.rule.symbols, r.rule.exclude, r.rule.groups) for r in self.rules]
        return _digest([scopes, LAYOUT, calibration, self.judge_late, self.chunk_ns], 24)


def _digest(value: Any, digits: int) -> str:
    return hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()[:digits]


def phases_of(rule: Rule, detector: Detector) -> tuple[str, ...]:
    """The session phases that a rule judges: its own, else what suits the detector, else all."""
    if rule.phases is not None:
        return rule.phases
    return tuple(str(detector.defaults.get("phases") or ",".join(ALL_PHASES)).split(","))


def enabled_ns(rule: Rule) -> tuple[int, int]:
    """The event times [from, until) in which a rule judges. InputError for a text that is no time."""
    begin = parse_rfc3339(rule.enabled_from) if rule.enabled_from else -int(NEVER_NS)
    return begin, parse_rfc3339(rule.enabled_until) if rule.enabled_until else int(NEVER_NS)


def _common(compiled: CompiledRule, index: int) -> dict[str, float | int]:
    rule = compiled.rule
    from_ns, until_ns = enabled_ns(rule)
    mask = 0
    for phase in phases_of(rule, compiled.detector):
        mask |= 1 << Phase[phase.upper()]
    return {
        "category": int(CATEGORIES[compiled.detector.category]),
        "ceiling": CEILINGS[rule.severity],
        "each": int(rule.alert == "each"),
        "keep_bars": rule.keep_firing_bars,
        "keep_ns": duration_ns(rule.keep_firing_for),
        "cooldown_ns": duration_ns(rule.cooldown),
        "phases": mask,
        "from_ns": from_ns,
        "until_ns": until_ns,
        "directed": int(compiled.detector.has_direction),
        "rule": index,
        "details": len(compiled.detector.details),
    }


def _check_chunk(chunk_ns: int) -> None:
    if chunk_ns % SECOND_NS or DAY_NS % max(chunk_ns, 1) or not SECOND_NS <= chunk_ns <= DAY_NS:
        raise InputError("chunk must be whole seconds that divide a day, from 1s to 1d")


def _one_chunk(name: str, rules: list[Rule]) -> int:
    """The chunk length of a rule set: all rules that see chunks must agree."""
    lengths = {duration_ns(r.chunk): r.name for r in rules if detector_named(r.detector).chunks}
    if len(lengths) > 1:
        told = ", ".join(f"{rule!r} has {ns // SECOND_NS} s" for ns, rule in lengths.items())
        raise InputError(f"rule set {name!r}: one engine builds chunks of one length, but {told}")
    return next(iter(lengths), 5 * SECOND_NS)


def compile_rule(rule: Rule) -> CompiledRule:
    """Check one rule against its detector; InputError names the rule and what is wrong with it."""
    if _NAME.fullmatch(rule.name) is None:
        raise InputError(f"rule {rule.name!r}: a name is 1 to 64 letters, digits, dots, colons, dashes and underscores")
    detector = detector_named(rule.detector)
    try:
        params = msgspec.convert(rule.params, detector.params, strict=True)
        closes = detector.closes(params)
        detector.pack(params)
        duration_ns(rule.keep_firing_for)
        duration_ns(rule.cooldown)
        _check_chunk(duration_ns(rule.chunk))
        enabled_ns(rule)
    except (msgspec.ValidationError, InputError) as error:
        raise InputError(f"rule {rule.name!r} ({rule.detector}): {error}") from None
    unknown = set(phases_of(rule, detector)) - set(ALL_PHASES)
    if unknown:
        raise InputError(f"rule {rule.name!r}: unknown phases {sorted(unknown)}; known are {', '.join(ALL_PHASES)}")
    judged = {
        "detector": detector.name,
        "version": detector.version,
        "params": msgspec.to_builtins(params),
        "severity": rule.severity,
        "phases": sorted(phases_of(rule, detector)),
        "alert": rule.alert,
        "keep": [rule.keep_firing_bars, duration_ns(rule.keep_firing_for), duration_ns(rule.cooldown)],
        "enabled": [rule.enabled_from, rule.enabled_until],
    }
    if detector.chunks:
        judged["chunk"] = duration_ns(rule.chunk)
    return CompiledRule(rule, detector, params, _digest(judged, 12), closes)


def compile_rules(name: str, rules: tuple[Rule, ...], judge_late: bool = False) -> RuleSet:
    """Compile the enabled rules; at most 31, names distinct."""
    enabled = [r for r in rules if r.enabled]
    names = [r.name for r in enabled]
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise InputError(f"rule set {name!r}: rule names stand twice: {', '.join(twice)}")
    if len(enabled) > 31:
        raise InputError(f"rule set {name!r} has {len(enabled)} rules; at most 31 fit into one engine")
    compiled = tuple(compile_rule(r) for r in enabled)
    return RuleSet(name, compiled, _one_chunk(name, enabled), judge_late)


def rule_set(document: Mapping[str, Any], default_name: str = "rules") -> RuleSet:
    """Compile a parsed rules file: `name`, `judge_late`, `[[rules]]`; InputError on unknown or mistyped keys."""
    try:
        file = msgspec.convert(document, RulesFile)
    except msgspec.ValidationError as error:
        raise InputError(f"rules: {error}") from None
    return compile_rules(file.name or default_name, file.rules, file.judge_late)
