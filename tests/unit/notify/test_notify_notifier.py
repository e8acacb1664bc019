"""The notifier: at least once, never forgotten, never a flood."""

import threading
import time
from collections.abc import Collection

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapewatch.alerts.matching import Matcher
from tapewatch.alerts.silences import Silence
from tapewatch.model.errors import RetryableError
from tapewatch.model.ledger import LedgerRow
from tapewatch.notify.backoff import RetrySettings
from tapewatch.notify.notifier import Notifier, Pace
from tapewatch.notify.port import Delivery
from tapewatch.stores.memory import MemoryNoticeLedger
from tests.factories import ONSET_NS, make_alert
from tests.unit.notify.notify_fakes import Clock, FakeChannel, decider, make_notice

RETRY = RetrySettings(attempts=3, first_s=2.0, most_s=60.0)
HOUR_S = 3_600.0
PATIENT = Pace(patience_s=60.0)  # a pass is over when all its channels are


class Killed(BaseException):
    """The process dies here."""


class Bench:
    """A notifier with one channel, a clock and a ledger in memory."""

    def __init__(self, channel: FakeChannel | None = None, **told: object) -> None:
        self.channel = channel or FakeChannel()
        self.clock = Clock()
        self.ledger = MemoryNoticeLedger()
        self.silences: list[Silence] = []
        self.notifier = self.start()

    def start(self) -> Notifier:
        """A new process on the same ledger."""
        return Notifier(
            decider(self.channel, silences=self.silences),
            self.ledger,
            now=self.clock,
            retry=RETRY,
            jitter=lambda identity, attempt: 1.0,
            pace=PATIENT,
        )

    def deliver(self) -> int:
        return self.notifier.deliver_due(self.clock())

    def rows(self) -> list[LedgerRow]:
        return list(self.ledger._rows.values())


def counted(notifier: Notifier) -> dict[tuple[str, ...], int]:
    """Without what never happened."""
    return {key: count for key, count in notifier.counts.snapshot().items() if count}


def test_a_notice_is_delivered_once_and_settled() -> None:
    bench = Bench()
    notice = make_notice()
    bench.notifier.accept([notice])
    assert bench.deliver() == 1
    bench.clock.advance(HOUR_S)
    assert bench.deliver() == 0
    ((got, recipient, identity),) = bench.channel.got
    assert (got, recipient) == (notice, "desk")
    assert identity.startswith(f"<{notice.alert.alert_id}.1.fake.")
    assert [(row.state, row.last_error) for row in bench.rows()] == [("done", None)]
    assert counted(bench.notifier) == {("owed", "fake"): 1, ("delivered", "fake"): 1}


def test_what_was_accepted_before_is_not_owed_again() -> None:
    bench = Bench()
    for _ in range(3):
        bench.notifier.accept([make_notice()])
        bench.deliver()
    assert len(bench.channel.got) == 1
    assert bench.notifier.counts.snapshot()["owed", "fake"] == 1


def test_every_revision_and_every_recipient_has_an_id_of_its_own() -> None:
    bench = Bench(FakeChannel(recipients=("a@example.org", "b@example.org")))
    bench.notifier.accept([make_notice(1), make_notice(2, "worsened")])
    assert bench.deliver() == 4
    assert len(bench.channel.ids()) == 4
    assert "example.org" not in "".join(bench.channel.ids())


def test_a_retry_waits_longer_each_time_and_keeps_its_id() -> None:
    bench = Bench()
    bench.channel.script = [Delivery("retry", "busy\nnow"), Delivery("retry", "busy"), Delivery("done")]
    bench.notifier.accept([make_notice()])
    for wait_s in (2.0, 4.0):
        assert bench.deliver() == 1
        bench.clock.advance(wait_s - 0.001)
        assert bench.deliver() == 0
        bench.clock.advance(0.001)
    assert bench.deliver() == 1
    assert list(bench.channel.ids().values()) == [3]
    assert bench.rows()[0].state == "done"
    assert bench.notifier.counts.snapshot()["retried", "fake"] == 2


def test_what_the_server_asks_for_is_waited() -> None:
    bench = Bench()
    bench.channel.script = [Delivery("retry", "slow down", 300.0)]
    bench.notifier.accept([make_notice()])
    bench.deliver()
    assert bench.rows()[0].next_try_ns == bench.clock() + 300 * 10**9
    assert bench.rows()[0].last_error == "slow down"


@pytest.mark.parametrize(
    ("script", "tries", "reason"),
    [
        ([Delivery("give_up", "no such user")], 1, "no such user"),
        ([Delivery("retry", "busy")] * 5, 3, "given up after 3 attempts: busy"),
    ],
)
def test_what_cannot_be_delivered_becomes_a_dead_letter(script: list[Delivery], tries: int, reason: str) -> None:
    bench = Bench()
    bench.channel.script = list(script)
    bench.notifier.accept([make_notice()])
    for _ in range(6):
        bench.deliver()
        bench.clock.advance(HOUR_S)
    (row,) = bench.rows()
    assert (row.state, row.last_error, len(bench.channel.got)) == ("dead", reason, tries)
    assert bench.notifier.counts.snapshot()["dead", "fake"] == 1
    assert msgspec.json.decode(row.notice)["event"] == "opened"  # it can still be read what it was about


def test_a_recipient_who_left_the_settings_is_not_told() -> None:
    bench = Bench()
    bench.notifier.accept([make_notice()])
    bench.channel.recipients = ("somebody else",)
    bench.deliver()
    assert bench.channel.got == []
    assert bench.rows()[0].state == "dead"


def test_a_row_that_cannot_be_read_is_buried_and_holds_nobody_up() -> None:
    bench = Bench()
    bench.ledger.owe([LedgerRow(alert_id="a", revision=1, channel="fake", recipient="desk", notice=b'{"event":')])
    bench.notifier.accept([make_notice()])
    assert bench.deliver() == 2
    assert sorted(row.state for row in bench.rows()) == ["dead", "done"]


def test_a_channel_that_raises_is_tried_again_and_its_words_are_not_kept() -> None:
    bench = Bench()
    bench.channel.script = [RuntimeError("https://hooks.example.org/s3cret")]
    bench.notifier.accept([make_notice(1), make_notice(2)])
    assert bench.deliver() == 2
    assert sorted(row.state for row in bench.rows()) == ["done", "pending"]
    assert "s3cret" not in repr(bench.rows())


def test_a_silence_that_came_since_holds_the_retry_back() -> None:
    bench = Bench()
    bench.channel.script = [Delivery("retry", "busy")]
    bench.notifier.accept([make_notice()])
    bench.deliver()
    bench.silences.append(
        Silence(
            silence_id="s1", owner="mr", reason="drill", expires_ns=ONSET_NS + 10**13, match=Matcher(symbols=("TSLA",))
        )
    )
    bench.clock.advance(HOUR_S)
    bench.deliver()
    (row,) = bench.rows()
    assert row.state == "suppressed"
    assert "drill" in (row.last_error or "")
    assert len(bench.channel.got) == 1


def test_one_who_dies_while_delivering_delivers_again_after_a_restart() -> None:
    bench = Bench()
    bench.notifier.accept([make_notice()])
    bench.channel.script = [Killed()]
    with pytest.raises(Killed):
        bench.deliver()
    bench.notifier = bench.start()
    assert bench.deliver() == 0  # not at once: what kills the process must not kill it every second
    bench.clock.advance(60.0)
    assert bench.deliver() == 1
    assert bench.rows()[0].state == "done"


def test_a_notice_that_always_kills_is_given_up_in_the_end() -> None:
    bench = Bench()
    bench.notifier.accept([make_notice()])
    bench.channel.script = [Killed() for _ in range(9)]
    for _ in range(3):
        with pytest.raises(Killed):
            bench.deliver()
        bench.clock.advance(HOUR_S)
    bench.deliver()
    assert bench.rows()[0].state == "dead"


@settings(max_examples=60, deadline=None)
@given(
    deaths=st.sets(st.integers(0, 30), max_size=6),
    answers=st.lists(st.sampled_from(["done", "retry"]), max_size=8),
    notices=st.integers(1, 5),
)
def test_whatever_dies_every_notice_is_delivered_at_least_once(
    deaths: set[int], answers: list[str], notices: int
) -> None:
    """The process is killed before chosen writes to the ledger; patience is unlimited."""
    bench = Bench()
    bench.channel.script = [Delivery("retry", "busy") if a == "retry" else Delivery("done") for a in answers]
    writes = iter(range(10**6))

    class Mortal(MemoryNoticeLedger):
        def settle(self, row: LedgerRow) -> None:
            if next(writes) in deaths:
                raise Killed
            super().settle(row)

    bench.ledger = Mortal()
    patient = RetrySettings(attempts=1_000)
    for _ in range(40):
        notifier = Notifier(decider(bench.channel), bench.ledger, now=bench.clock, retry=patient, pace=PATIENT)
        notifier.accept([make_notice(revision) for revision in range(1, notices + 1)])
        try:
            while notifier.deliver_due(bench.clock()):
                pass
        except Killed:
            pass
        bench.clock.advance(2 * HOUR_S)
    assert {row.state for row in bench.rows()} == {"done"}
    assert len(bench.channel.ids()) == notices
    assert len(bench.channel.got) <= notices + len(deaths) + len(answers)


def test_a_channel_that_hangs_holds_up_its_own_notices_only() -> None:
    slow, quick, told = FakeChannel("slow"), FakeChannel("quick"), threading.Event()
    waited: list[bool] = []
    slow.costs = lambda: waited.append(told.wait(5.0))
    quick.costs = told.set
    notifier = Notifier(decider(slow, quick), MemoryNoticeLedger(), now=Clock(), pace=PATIENT)
    notifier.accept([make_notice()])
    assert notifier.deliver_due(ONSET_NS) == 2
    assert waited == [True]  # one was told while the other still hung


def test_what_comes_while_a_channel_hangs_is_told_by_the_others() -> None:
    hangs, works, over = FakeChannel("hangs"), FakeChannel("works"), threading.Event()
    waited: list[bool] = []
    hangs.costs = lambda: waited.append(over.wait(60.0))
    pace = Pace(limit=8, patience_s=0.05)
    notifier = Notifier(decider(hangs, works), MemoryNoticeLedger(), now=Clock(), pace=pace)
    revisions = range(1, 30)  # more than one pass takes: those of the channel that hangs must not fill it
    notifier.accept([make_notice(revision) for revision in revisions])
    give_up = time.monotonic() + 30.0
    while len(works.got) < len(revisions) and time.monotonic() < give_up:
        notifier.deliver_due(ONSET_NS)
    assert [notice.alert.revision for notice, *_ in works.got] == list(revisions)
    assert len(hangs.got) == 1
    over.set()
    notifier.finish()
    assert len(hangs.ids()) == len(hangs.got) >= 4  # it went on with what it had begun with


def test_a_channel_that_is_slow_leaves_the_rest_to_the_next_pass() -> None:
    bench = Bench()
    bench.channel.costs = lambda: bench.clock.advance(15.0)
    bench.notifier.accept([make_notice(revision) for revision in range(1, 6)])
    assert [bench.deliver() for _ in range(4)] == [2, 2, 1, 0]


def test_stop_ends_a_pass_between_two_attempts_and_loses_nothing() -> None:
    bench = Bench()
    bench.notifier.accept([make_notice(1), make_notice(2)])
    stop = threading.Event()
    stop.set()
    assert bench.notifier.deliver_due(bench.clock(), stop) == 0
    assert bench.deliver() == 2


class BusyLedger(MemoryNoticeLedger):
    """Out of reach the first time."""

    def __init__(self) -> None:
        super().__init__()
        self.busy = True

    def due(self, now_ns: int, limit: int, without: Collection[str] = ()) -> list[LedgerRow]:
        if self.busy:
            self.busy = False
            raise RetryableError("the ledger is locked")
        return super().due(now_ns, limit, without)


def test_the_loop_delivers_until_it_is_stopped_and_survives_a_busy_ledger() -> None:
    channel, ledger, stop = FakeChannel(), BusyLedger(), threading.Event()
    notifier = Notifier(decider(channel), ledger, now=time.time_ns, pace=Pace(poll_s=0.01, busy_s=0.01))
    thread = threading.Thread(target=notifier.run, args=(stop,))
    thread.start()
    notifier.accept([make_notice()])
    deadline = time.monotonic() + 5.0
    while not channel.got and time.monotonic() < deadline:
        time.sleep(0.005)
    stop.set()
    thread.join(5.0)
    assert not thread.is_alive()
    assert len(channel.got) == 1
    assert notifier.counts.snapshot()["ledger_busy",] == 1


def test_nobody_to_tell_is_recorded_too() -> None:
    ledger = MemoryNoticeLedger()
    notifier = Notifier(decider(FakeChannel(), routes=()), ledger, now=Clock())
    (decision,) = notifier.accept([make_notice()])
    (row,) = ledger._rows.values()
    assert (decision.why, row.state, row.last_error) == ("unrouted", "suppressed", "no route matches")
    assert counted(notifier) == {("unrouted",): 1}


def test_a_muted_notice_is_recorded_with_its_reason_for_everybody_concerned() -> None:
    channel, ledger = FakeChannel(recipients=("a", "b")), MemoryNoticeLedger()
    dead_feed = make_alert(rule="stale_feed", category="data_quality", direction="none")
    notifier = Notifier(decider(channel, open_quality=[dead_feed]), ledger, now=Clock())
    notifier.accept([make_notice()])
    notifier.deliver_due(ONSET_NS)
    assert channel.got == []
    assert [row.state for row in ledger._rows.values()] == ["suppressed", "suppressed"]
    assert all(dead_feed.alert_id in (row.last_error or "") for row in ledger._rows.values())
    assert counted(notifier) == {("suppressed", "fake", "inhibition"): 2}
