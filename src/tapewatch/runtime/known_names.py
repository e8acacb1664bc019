"""The rules and types of alerts that the API's filters know before there is any such alert."""

from typing import get_args

from tapewatch.detection.registry import detectors
from tapewatch.model.signals import Direction
from tapewatch.runtime.config.rules import load_rules
from tapewatch.runtime.config.settings import RulesSettings
from tapewatch.web.api.deps import KnownNames


def known_names(settings: RulesSettings) -> KnownNames:
    """The rules that the settings name, disabled ones with them, and what any detector, ours or installed, calls its
    alerts. InputError where the rules cannot be read."""
    rules = frozenset(rule.name for rule in load_rules(settings).declared)
    types = frozenset(d.alert_type for d in detectors().values() if d.alert_type is not None)
    return KnownNames(rules, types.union(get_args(Direction)))
