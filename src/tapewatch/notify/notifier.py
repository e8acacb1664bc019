"""Owes notices and pays them: decide who is told, write it to the ledger, deliver what is due, settle it."""

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

import msgspec

from tapewatch.model.errors import RetryableError
from tapewatch.model.ledger import LedgerRow
from tapewatch.model.times import SECOND_NS
from tapewatch.notify.backoff import Jitter, RetrySettings, delay_ns, hash_jitter
from tapewatch.notify.counts import Counts
from tapewatch.notify.decide import Decider, Decision
from tapewatch.notify.ledger import Ledger, rows_of
from tapewatch.notify.names import message_id
from tapewatch.notify.port import Channel, Delivery, Notice
from tapewatch.notify.wording import clean

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """How a pass over the ledger is bounded. `limit` rows a pass, which waits for its channels for `patience_s`: one
    that works longer is left to it, and has no part in the passes meanwhile, so that a server which hangs holds up its
    own notices only. A channel that has worked for `channel_s` leaves the rest of its rows to a later pass; `poll_s`
    between passes while there is nothing due, `busy_s` after one that found the ledger busy."""

    limit: int = 256
    patience_s: float = 1.0
    channel_s: float = 20.0
    poll_s: float = 0.25
    busy_s: float = 2.0


class Notifier:
    """At least once: a notice that was accepted is delivered, or its row says why not, whatever dies in between.

    One notifier works on a ledger at a time. `accept` may be called from any thread; delivery from one, which calls
    `finish` at the end.
    """

    def __init__(
        self,
        decider: Decider,
        ledger: Ledger,
        *,
        now: Callable[[], int],
        retry: RetrySettings | None = None,
        pace: Pace | None = None,
        jitter: Jitter = hash_jitter,
    ) -> None:
        self._decider = decider
        self._ledger = ledger
        self._now = now
        self._retry = retry or RetrySettings()
        self._pace = pace or Pace()
        self._jitter = jitter
        self._channels: dict[str, Channel] = {channel.name: channel for channel in decider.channels}
        threads = len(self._channels) + 1  # one for the rows of channels that are gone
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="notify")
        self._working: dict[str, Future[int]] = {}
        self.counts = Counts(self._channels)

    def accept(self, notices: Iterable[Notice]) -> list[Decision]:
        """Decide on each notice and write down what is owed; after this returns, nothing is lost.

        Idempotent: notices that were accepted before (same alert revision, channel and recipient) are not owed again,
        whatever would be decided now. Raises RetryableError where the ledger is busy: call again with the same notices.
        """
        now_ns = self._now()
        decisions = []
        for notice in notices:
            decision = self._decider.decide(notice, now_ns)
            for row in self._ledger.owe(rows_of(notice, decision, now_ns)):
                self._count_owed(row, decision)
            decisions.append(decision)
        return decisions

    def _count_owed(self, row: LedgerRow, decision: Decision) -> None:
        if decision.why is None:
            self.counts.add("owed", row.channel)
        elif decision.why == "unrouted":
            self.counts.add("unrouted")
        else:
            self.counts.add("suppressed", row.channel, decision.why)

    def deliver_due(self, now_ns: int, stop: threading.Event | None = None) -> int:
        """Try every row that is due at `now_ns`, each channel on a thread of its own, which may outlast the call;
        returns how many were tried by those that are done.

        Ends early, between two attempts, once `stop` is set: what was not tried stays due. Raises RetryableError where
        the ledger is busy; an attempt that could not be settled is made again, with the same message id.
        """
        tried = self._collect()
        queues: dict[str, list[LedgerRow]] = {}
        for row in self._ledger.due(now_ns, self._pace.limit, self._working):
            queues.setdefault(row.channel, []).append(row)
        for channel, rows in queues.items():
            self._working[channel] = self._pool.submit(self._work_off, rows, stop)
        wait(self._working.values(), self._pace.patience_s)
        return tried + self._collect()

    def finish(self) -> None:
        """Wait for the attempts that are under way; no delivery comes after this."""
        self._pool.shutdown()

    def _collect(self) -> int:
        """How many rows were tried by the channels that are done since the last look; raises what ended one."""
        done = [channel for channel, work in self._working.items() if work.done()]
        return sum(self._working.pop(channel).result() for channel in done)

    def run(self, stop: threading.Event) -> None:
        """Deliver what is due until `stop` is set; never ends by itself. What a busy ledger held up is tried again."""
        while not stop.is_set():
            wait_s = self._pace.poll_s
            try:
                if self.deliver_due(self._now(), stop):
                    continue
            except RetryableError as error:
                self.counts.add("ledger_busy")
                _log.warning("the ledger of notices is busy: %s", error)
                wait_s = self._pace.busy_s
            stop.wait(wait_s)
        self.finish()

    def _work_off(self, rows: Sequence[LedgerRow], stop: threading.Event | None) -> int:
        began_ns = self._now()
        tried = 0
        for row in rows:
            late = tried > 0 and self._now() - began_ns > self._pace.channel_s * SECOND_NS
            if late or (stop is not None and stop.is_set()):
                break
            self._pay(row)
            tried += 1
        return tried

    def _pay(self, row: LedgerRow) -> None:
        """One attempt, written down before and after.

        Before: so that neither a notice that kills this process nor a ledger that cannot be written has somebody told
        the same thing every second.
        """
        channel = self._channels.get(row.channel)
        if channel is None or row.recipient not in channel.recipients:
            return self._bury(row, "this recipient is no longer in the settings")
        if row.attempts >= self._retry.attempts:
            return self._bury(row, f"given up after {row.attempts} attempts: {row.last_error}")
        try:
            notice = msgspec.json.decode(row.notice, type=Notice)
        except msgspec.DecodeError as error:
            return self._bury(row, f"the notice in the ledger cannot be read: {error}")
        # A silence, or the group that it waited for, may have come since it was owed.
        silenced = self._decider.silenced(notice, self._now())
        muted = silenced or (self._decider.grouped(notice) if row.attempts == 0 else None)
        if muted:
            self._ledger.settle(msgspec.structs.replace(row, state="suppressed", last_error=clean(muted, 500)))
            return self.counts.add("suppressed", row.channel, "silence" if silenced else "group")
        identity = message_id(row.alert_id, row.revision, row.channel, row.recipient)
        row = self._later(row, identity, "the attempt was under way when the process ended", None, row.attempts + 1)
        self._ledger.settle(row)
        return self._settle(row, identity, _deliver(channel, notice, row.recipient, identity))

    def _settle(self, row: LedgerRow, identity: str, delivery: Delivery) -> None:
        if delivery.outcome == "done":
            self._ledger.settle(msgspec.structs.replace(row, state="done", last_error=None))
            _log.debug("delivered", extra={"event": f"{row.alert_id}:{row.revision}", "channel": row.channel})
            return self.counts.add("delivered", row.channel)
        if delivery.outcome == "give_up":
            return self._bury(row, delivery.reason)
        if row.attempts >= self._retry.attempts:
            return self._bury(row, f"given up after {row.attempts} attempts: {delivery.reason}")
        self._ledger.settle(self._later(row, identity, delivery.reason, delivery.retry_after_s, row.attempts))
        return self.counts.add("retried", row.channel)

    def _later(self, row: LedgerRow, identity: str, why: str, asked_s: float | None, attempts: int) -> LedgerRow:
        wait_ns = delay_ns(self._retry, attempts, self._jitter(identity, attempts), asked_s)
        return msgspec.structs.replace(
            row, attempts=attempts, next_try_ns=self._now() + wait_ns, last_error=clean(why, 500)
        )

    def _bury(self, row: LedgerRow, reason: str) -> None:
        reason = clean(reason, 500)
        self._ledger.settle(msgspec.structs.replace(row, state="dead", last_error=reason))
        self.counts.add("dead", row.channel)
        _log.error("notice of alert %s revision %d by %s given up: %s", row.alert_id, row.revision, row.channel, reason)


def _deliver(channel: Channel, notice: Notice, recipient: str, identity: str) -> Delivery:
    try:
        return channel.deliver(notice, recipient, identity)
    except Exception as error:  # noqa: BLE001 - the port forbids it; one channel's bug must not stop all the others
        _log.error("channel %s raised %s, which no channel may", channel.name, type(error).__name__)
        return Delivery("retry", f"a fault in the channel: {type(error).__name__}")  # its text may hold a secret
