"""Routing: who is told of which incident."""

from collections.abc import Sequence

import msgspec

from tapewatch.alerts.matching import Matcher
from tapewatch.model.alerts import Alert, Incident


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """Incidents that match go to `targets`: a channel's name (everybody whom it reaches), or `channel:recipient`."""

    match: Matcher
    targets: tuple[str, ...]


def targets_of(routes: Sequence[Route], incident: Incident, alert: Alert) -> tuple[str, ...]:
    """Targets of all routes that match, each once, in the order of the routes.

    Every matching route counts, so that their order decides nothing and a route added at the end cannot be shadowed.
    """
    found = (target for route in routes if route.match.matches(incident, alert) for target in route.targets)
    return tuple(dict.fromkeys(found))
