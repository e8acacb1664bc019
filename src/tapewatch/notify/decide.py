"""From a notice to who is told: routing, then silences, then inhibition, then groups. Nothing is lost on the way: what
is not sent is decided with its reason, and the reason is kept."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from tapewatch.alerts.inhibition import inhibited_by
from tapewatch.alerts.routing import Route, targets_of
from tapewatch.alerts.silences import Silence, silenced_by
from tapewatch.model.alerts import Alert, Incident
from tapewatch.model.market import Group
from tapewatch.notify.port import Channel, Notice

Why = Literal["silence", "inhibition", "group", "unrouted"]
Members = Sequence[tuple[Incident, Alert]]


@dataclass(frozen=True, slots=True)
class Decision:
    """Who is concerned, as (channel, recipient), and, where they are not told, why not: in short and in words.

    `wait_ns`: how long to wait for what others of its market do before it is sent.
    """

    recipients: tuple[tuple[str, str], ...]
    why: Why | None = None
    reason: str = ""
    wait_ns: int = 0


@dataclass(frozen=True, slots=True)
class Grouping:
    """What the decider asks about market-wide moves: the group that an incident belongs to, a group's incidents with an
    alert of each, and how long a notice had better wait to be told with its group."""

    group: Callable[[Incident], Group | None] = lambda _: None
    members: Callable[[Group], Members] = lambda _: ()
    wait_ns: Callable[[Notice], int] = lambda _: 0


@dataclass(frozen=True, slots=True)
class Decider:
    """The stages before anything is sent. `silences` gives those that exist now; `quality` the data-quality alerts that
    may cover an event time for the incident's symbol, ended ones among them."""

    channels: tuple[Channel, ...]
    routes: tuple[Route, ...]
    silences: Callable[[], Sequence[Silence]]
    quality: Callable[[Incident, int], Sequence[Alert]]
    grouping: Grouping = Grouping()

    def decide(self, notice: Notice, now_ns: int) -> Decision:
        """What becomes of this notice. The end of an incident is inhibited by nothing: whoever heard of the beginning
        must hear of the end. All of an incident of a group is told by the group's own notices."""
        recipients = self._recipients(self._targets(notice))
        if not recipients:
            return Decision((), "unrouted", "no route matches")
        silenced = self.silenced(notice, now_ns)
        if silenced:
            return Decision(recipients, "silence", silenced)
        if notice.event != "resolved":
            at_ns = notice.alert.ts_event_ns
            inhibited = inhibited_by(notice.incident, at_ns, self.quality(notice.incident, at_ns))
            if inhibited:
                return Decision(recipients, "inhibition", inhibited)
        grouped = self.grouped(notice)
        if grouped:
            return Decision(recipients, "group", grouped)
        return Decision(recipients, wait_ns=0 if notice.group else self.grouping.wait_ns(notice))

    def silenced(self, notice: Notice, now_ns: int) -> str | None:
        """Which silence is in force for this notice, in words; None for none."""
        return silenced_by(self.silences(), notice.incident, notice.alert, now_ns)

    def grouped(self, notice: Notice) -> str | None:
        """Which group tells people of this incident, in words; None where none does, or the notice is the group's."""
        group = None if notice.group else self.grouping.group(notice.incident)
        return f"told once for all with group {group.group_id}: {group.message}" if group else None

    def _targets(self, notice: Notice) -> tuple[str, ...]:
        """Whoever would be told of a member is told of the group."""
        told = [(notice.incident, notice.alert)]
        if notice.group:
            told += self.grouping.members(notice.group)
        return tuple(dict.fromkeys(t for incident, alert in told for t in targets_of(self.routes, incident, alert)))

    def _recipients(self, targets: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
        found: dict[tuple[str, str], None] = {}
        for target in targets:
            name, _, one = target.partition(":")
            for channel in self.channels:
                if channel.name == name:
                    found.update(((name, r), None) for r in channel.recipients if one in ("", r))
        return tuple(found)
