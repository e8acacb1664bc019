"""From a notice to who is told: routing, then silences, then inhibition. Nothing is lost on the way: what is not sent
is decided with its reason, and the reason is kept."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from tapewatch.alerts.inhibition import inhibited_by
from tapewatch.alerts.routing import Route, targets_of
from tapewatch.alerts.silences import Silence, silenced_by
from tapewatch.model.alerts import Alert
from tapewatch.notify.port import Channel, Notice

Why = Literal["silence", "inhibition", "unrouted"]


@dataclass(frozen=True, slots=True)
class Decision:
    """Who is concerned, as (channel, recipient), and, where they are not told, why not: in short and in words."""

    recipients: tuple[tuple[str, str], ...]
    why: Why | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Decider:
    """The stages before anything is sent. `silences` gives those that exist now; `open_quality` the data-quality alerts
    of a venue that are firing or recovering now."""

    channels: tuple[Channel, ...]
    routes: tuple[Route, ...]
    silences: Callable[[], Sequence[Silence]]
    open_quality: Callable[[str], Sequence[Alert]]

    def decide(self, notice: Notice, now_ns: int) -> Decision:
        """What becomes of this notice. The end of an incident is inhibited by nothing: whoever heard of the beginning
        must hear of the end."""
        recipients = self._recipients(targets_of(self.routes, notice.incident, notice.alert))
        if not recipients:
            return Decision((), "unrouted", "no route matches")
        silenced = self.silenced(notice, now_ns)
        if silenced:
            return Decision(recipients, "silence", silenced)
        if notice.event != "resolved":
            inhibited = inhibited_by(notice.incident, self.open_quality(notice.incident.venue))
            if inhibited:
                return Decision(recipients, "inhibition", inhibited)
        return Decision(recipients)

    def silenced(self, notice: Notice, now_ns: int) -> str | None:
        """Which silence is in force for this notice, in words; None for none."""
        return silenced_by(self.silences(), notice.incident, notice.alert, now_ns)

    def _recipients(self, targets: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
        found: dict[tuple[str, str], None] = {}
        for target in targets:
            name, _, one = target.partition(":")
            for channel in self.channels:
                if channel.name == name:
                    found.update(((name, r), None) for r in channel.recipients if one in ("", r))
        return tuple(found)
