"""Which incidents a route or a silence speaks of: patterns over what an incident is."""

from fnmatch import fnmatchcase

import msgspec

from tapewatch.model.alerts import SEVERITIES, Alert, Category, Incident, Severity


class Matcher(msgspec.Struct, frozen=True, kw_only=True):
    """Holds where every part holds; a part left empty holds always.

    Patterns are shell-like (`*`, `?`, `[ab]`) and blind to case: `BTC/*`, `XNAS`. Rules and categories are names.
    """

    venues: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    categories: tuple[Category, ...] = ()
    min_severity: Severity = "low"
    max_severity: Severity = "critical"

    def matches(self, incident: Incident, alert: Alert) -> bool:
        """Whether this speaks of `incident`, of which `alert` is the newest revision. Severity is the incident's."""
        rank = SEVERITIES.index(incident.severity)
        return (
            SEVERITIES.index(self.min_severity) <= rank <= SEVERITIES.index(self.max_severity)
            and (not self.categories or incident.category in self.categories)
            and _any(self.venues, incident.venue)
            and _any(self.symbols, incident.symbol)
            and _any(self.rules, alert.rule)
        )

    @property
    def empty(self) -> bool:
        """Whether it names nothing, and so holds for everything."""
        return self == Matcher()


def _any(patterns: tuple[str, ...], text: str) -> bool:
    return not patterns or any(fnmatchcase(text.upper(), pattern.upper()) for pattern in patterns)
