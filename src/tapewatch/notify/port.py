"""The port that every notification channel implements."""

from typing import Literal, Protocol

import msgspec

from tapewatch.model.alerts import Alert, Incident
from tapewatch.model.market import Group

Event = Literal["opened", "worsened", "resolved"]


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """What a person is told: an incident opened, worsened or resolved; `alert` is the revision that made it so."""

    event: Event
    incident: Incident
    alert: Alert
    link: str | None = None  # where to look at it
    group: Group | None = None  # of a market-wide move: `incident` then stands for all of it, `alert` is its worst

    @property
    def key(self) -> tuple[str, int]:
        """What the ledger knows it by: an alert's id and revision; a group's id and 1 for its beginning, 2 for its
        end."""
        if self.group is not None:
            return self.group.group_id, 2 if self.event == "resolved" else 1
        return self.alert.alert_id, self.alert.revision

    @property
    def subject(self) -> str:
        """One line without line breaks, e.g. `[HIGH] TSLA drop -5.2 % (opened)`."""
        who = f"{self.incident.symbol} ({self.incident.venue})"
        if self.group is not None:
            who = f"{self.group.market} market ({len(self.group.members)} symbols)"
        move = f"{self.incident.direction} {self.incident.peak_change_pct:+.2f} %"
        what = move if self.incident.direction != "none" else self.alert.alert_type
        return " ".join(f"[{self.incident.severity.upper()}] {who} {what} - {self.event}".split())


class Delivery(msgspec.Struct, frozen=True):
    """How one attempt ended: `done`, `retry` (it may work later) or `give_up` (it never will), and why."""

    outcome: Literal["done", "retry", "give_up"]
    reason: str = ""
    retry_after_s: float | None = None  # what the other side asked for


class Channel(Protocol):
    """A way to tell somebody. Its `name` stands in the settings, the ledger and the metrics."""

    name: str

    @property
    def recipients(self) -> tuple[str, ...]:
        """Addresses or target names; secrets (tokens in URLs) never appear here."""
        ...

    def deliver(self, notice: Notice, recipient: str, message_id: str) -> Delivery:
        """Try once, with a time-out of its own; never raises for what the other side does. `message_id` is the same
        for every attempt of one notice, so that the other side can drop repeats."""
        ...
