"""The section `[notify]` of the settings: who is told of what, through which channel, and what is not told."""

from collections.abc import Sequence
from datetime import datetime
from difflib import get_close_matches
from typing import Annotated

import msgspec
from msgspec import Meta

from tapewatch.alerts.matching import Matcher
from tapewatch.alerts.routing import Route
from tapewatch.alerts.silences import Silence
from tapewatch.model.alerts import Category, Severity
from tapewatch.model.errors import InputError
from tapewatch.model.secret import Secret
from tapewatch.model.times import datetime_to_ns
from tapewatch.notify.backoff import RetrySettings
from tapewatch.notify.channels import ChannelSettings, tables
from tapewatch.notify.http import url_refusal
from tapewatch.notify.port import Channel
from tapewatch.notify.targets import Targets, TargetSettings

Text = Annotated[str, Meta(min_length=1, max_length=500)]


class MatchSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which incidents are meant: those for which every key that is given holds."""

    venues: tuple[str, ...] = ()
    """Venues, e.g. `XNAS`; `*` and `?` stand for any text and any character."""

    symbols: tuple[str, ...] = ()
    """Symbols, e.g. `BTC/*`; upper and lower case are the same."""

    rules: tuple[str, ...] = ()
    """Names of rules."""

    categories: tuple[Category, ...] = ()
    """`price`, `volume`, `data_quality`."""

    min_severity: Severity = "low"
    """The least severity."""

    max_severity: Severity = "critical"
    """The highest severity."""

    def matcher(self) -> Matcher:
        """The same as a matcher of the core."""
        return Matcher(**{name: getattr(self, name) for name in MatchSettings.__struct_fields__})


class RouteSettings(MatchSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is told of which incidents. All routes that match count; without any route everybody is told everything."""

    to: Annotated[tuple[str, ...], Meta(min_length=1)]
    """Names of channels, or `channel:recipient`, e.g. `["slack", "email:desk@example.org"]`."""

    def route(self) -> Route:
        """The same as a route of the core."""
        return Route(match=self.matcher(), targets=self.to)


class SilenceSettings(MatchSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Notices that are not sent for a while. Detection, alerts and their record go on."""

    name: Text
    """Names the silence wherever it is given as a reason."""

    owner: Text
    """Who answers for it."""

    reason: Text
    """Why."""

    starts: Annotated[datetime, Meta(tz=True)] | None = None
    """When it begins, with a zone, e.g. `2026-11-23T08:00:00Z`; without it, it is in force already."""

    expires: Annotated[datetime, Meta(tz=True)]
    """When it ends; every silence ends."""

    def __post_init__(self) -> None:
        self.silence()

    def silence(self) -> Silence:
        """The same as a silence of the core. ValueError where it matches nothing in particular or ends too early."""
        return Silence(
            silence_id=self.name,
            owner=self.owner,
            reason=self.reason,
            starts_ns=0 if self.starts is None else datetime_to_ns(self.starts),
            expires_ns=datetime_to_ns(self.expires),
            match=self.matcher(),
        )


class NotifySettings(ChannelSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is told, of what, and how."""

    routes: tuple[RouteSettings, ...] = ()
    """Who is told of which incidents."""

    silences: tuple[SilenceSettings, ...] = ()
    """What is not told for a while."""

    targets: TargetSettings = TargetSettings()
    """Which hosts webhooks may reach."""

    retry: RetrySettings = RetrySettings()
    """How often a notice is tried."""

    group_wait_s: Annotated[float, Meta(ge=0, le=120)] = 5.0
    """Longest time in seconds that a notice of a move waits for its market's minute to end, so that a market-wide move
    is told once; a market of fewer than four active symbols is never waited for. 0: do not wait."""

    link: Annotated[str, Meta(pattern=r"^https?://")] | None = None
    """Address that notices point to; `{incident_id}` and `{alert_id}` stand for the ids."""

    def __post_init__(self) -> None:
        """ValueError for a channel whose URL no notice may ever go to; what its name resolves to is seen later."""
        targets = Targets(self.targets)
        for url in (getattr(table, "url", None) for table in tables(self)):
            why = url_refusal(url, targets) if isinstance(url, Secret) else None
            if why:
                raise ValueError(f"a channel's url: {why}")


def link_to(template: str | None, incident_id: str, alert_id: str) -> str | None:
    """Where to look at it, from the setting `link`."""
    if template is None:
        return None
    return template.replace("{incident_id}", incident_id).replace("{alert_id}", alert_id)


def routes_of(settings: NotifySettings, channels: Sequence[Channel]) -> tuple[Route, ...]:
    """The routes, checked against the channels that there are; without any, one that tells everybody everything.

    InputError for a target that no channel has, with the nearest that there is.
    """
    known = [channel.name for channel in channels]
    known += [f"{channel.name}:{recipient}" for channel in channels for recipient in channel.recipients]
    for position, route in enumerate(settings.routes):
        for target in route.to:
            if target not in known:
                near = get_close_matches(target, known, 1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise InputError(f"notify.routes[{position}].to: there is no channel {target!r}{hint}")
    if settings.routes:
        return tuple(route.route() for route in settings.routes)
    return (Route(match=Matcher(), targets=tuple(channel.name for channel in channels)),)
