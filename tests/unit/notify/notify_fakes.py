"""A channel, a clock and notices for the tests of the notifier."""

from collections import defaultdict
from collections.abc import Callable, Sequence

from tapewatch.alerts.matching import Matcher
from tapewatch.alerts.routing import Route
from tapewatch.alerts.silences import Silence
from tapewatch.model.alerts import Alert
from tapewatch.model.times import SECOND_NS
from tapewatch.notify.decide import Decider
from tapewatch.notify.port import Channel, Delivery, Event, Notice
from tests.factories import ONSET_NS, make_alert, make_incident


class Clock:
    """Wall clock that moves when told to."""

    def __init__(self) -> None:
        self.ns = ONSET_NS

    def __call__(self) -> int:
        return self.ns

    def advance(self, seconds: float) -> None:
        self.ns += round(seconds * SECOND_NS)


class FakeChannel:
    """Remembers what it was given; answers with `script` in turn, then with done."""

    def __init__(self, name: str = "fake", recipients: tuple[str, ...] = ("desk",)) -> None:
        self.name = name
        self.recipients = recipients
        self.script: list[Delivery | BaseException] = []
        self.costs: Callable[[], None] = lambda: None  # what else an attempt does, e.g. moving the clock
        self.got: list[tuple[Notice, str, str]] = []

    def deliver(self, notice: Notice, recipient: str, message_id: str) -> Delivery:
        self.got.append((notice, recipient, message_id))
        self.costs()
        answer = self.script.pop(0) if self.script else Delivery("done")
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def ids(self) -> dict[str, int]:
        """How often each message id came."""
        count: dict[str, int] = defaultdict(int)
        for _, _, identity in self.got:
            count[identity] += 1
        return dict(count)


def make_notice(revision: int = 1, event: Event = "opened", **incident: object) -> Notice:
    return Notice(event=event, incident=make_incident(**incident), alert=make_alert(revision=revision))


def decider(
    *channels: Channel,
    routes: tuple[Route, ...] | None = None,
    silences: Sequence[Silence] = (),
    open_quality: Sequence[Alert] = (),
) -> Decider:
    if routes is None:
        routes = (Route(match=Matcher(), targets=tuple(channel.name for channel in channels)),)
    return Decider(tuple(channels), routes, lambda: silences, lambda incident, at_ns: open_quality)
