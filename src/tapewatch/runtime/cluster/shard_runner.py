"""The thread that drives one shard."""

import logging
import threading
import time
from collections.abc import Callable

from tapewatch.model.errors import RetryableError, TapewatchError
from tapewatch.runtime.cluster.kafka_ports import KafkaLog
from tapewatch.runtime.cluster.protocol.driver import ShardDriver
from tapewatch.runtime.cluster.protocol.relay import Relay
from tapewatch.runtime.cluster.protocol.terms import Phase
from tapewatch.stores.port import Told
from tapewatch.tape.kafka import KafkaTape
from tapewatch.tape.kafka_errors import LogShorterError, OffsetGoneError

_log = logging.getLogger(__name__)
LONGEST_WAIT_S = 0.25
IN_VAIN = 2
"""How often a batch is dispatched again, which takes some nine seconds, before it is told that nobody judges it."""
GRACE_S = 4.0
"""How long a shard that is given back may take to finish what is in flight and to publish what was found."""


class ShardRunner:
    """Drives a `ShardDriver` until told to give the shard back (`finish`) or to let it drop (`abandon`).

    `failed` is the error that ended it, where one did that a person has to look at.
    """

    def __init__(
        self, driver: ShardDriver, relay: Relay, log: KafkaLog, tape: KafkaTape, on_found: Callable[[], None]
    ) -> None:
        """`on_found` is called where the relay may have something to do."""
        self.driver, self.relay, self.tape = driver, relay, tape
        self._log, self._on_found = log, on_found
        self._woken, self._abandoned = threading.Event(), threading.Event()
        self._finish_by: float | None = None
        self.failed: Exception | None = None
        self._news = False
        self._moved = 0, 0  # batches committed, and those dispatched again by then
        self._told = False  # that nothing was committed since
        self.name = driver.shard.name
        self._thread = threading.Thread(target=self._guarded, name=f"shard {driver.shard.partition}", daemon=True)

    def counts(self) -> dict[str, int]:
        """Those of the driver, and how many entries were `published`; from any thread."""
        return {**self.driver.counts, **self.relay.counts}

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def heard(self, told: Told) -> None:
        """The state's server told of a commit."""
        self.driver.heard(told)
        self._woken.set()
        if self.relay.behind(told.next):
            self._news = True
            self._on_found()

    def take_news(self) -> bool:
        """Whether a commit was heard of since this was asked last: its entries are in the outbox."""
        news, self._news = self._news, False
        return news

    def finish(self) -> None:
        """Begin nothing more; `join` waits for the end."""
        self._finish_by = time.monotonic() + GRACE_S
        self.driver.finish()
        self._woken.set()

    def abandon(self) -> None:
        """Stop where it stands: the shard is another's."""
        self._abandoned.set()
        self._woken.set()

    def join(self, *, give_back: bool) -> None:
        """Wait for the thread, commit the offset once more with `give_back`, and let go of the log."""
        if self._thread.is_alive():
            self._thread.join()
        if give_back and self.failed is None:
            try:
                self.driver.settle()
            except TapewatchError as error:  # the next owner begins at an older offset: it publishes a little again
                _log.warning("shard %s is given back without its last offset: %s", self.name, error)
        self.tape.close()

    def _guarded(self) -> None:
        try:
            self._work()
        except Exception as error:  # noqa: BLE001 - the thread that runs the group raises it: a shard never stops unseen
            _log.error("shard %s stopped: %s", self.name, error)
            self.failed = error

    def _work(self) -> None:
        driver, trouble, unreadable, gap, fenced = self.driver, "", "", "", False
        while not self._abandoned.is_set():
            wait = driver.step(time.monotonic())
            if driver.trouble and driver.trouble != trouble:
                _log.warning("shard %s: %s", self.name, driver.trouble)
            trouble = driver.trouble
            if driver.unreadable != unreadable:
                unreadable = driver.unreadable
                _log.warning("shard %s is rebuilt without a state that cannot be read: %s", self.name, unreadable)
            if driver.gap != gap:
                gap = driver.gap
                _log.warning("shard %s: %s were not judged: the log does not have them", self.name, gap)
            if (driver.phase is Phase.LOST) != fenced:
                fenced = driver.phase is Phase.LOST
                if fenced:
                    _log.warning("shard %s: another one has claimed its state, or the state was lost", self.name)
            self._tell_of_standstill()
            if self.relay.behind(driver.next):
                self._on_found()
            if self._finished():
                return
            left = min(wait.until_s - time.monotonic(), LONGEST_WAIT_S)
            if left > 0:
                self._wait(left, wait.records_from)

    def _tell_of_standstill(self) -> None:
        counts = self.driver.counts
        committed, again = counts["committed"], counts["redispatched"]
        if committed != self._moved[0]:
            self._moved, self._told = (committed, again), False
        elif not self._told and again >= self._moved[1] + IN_VAIN:
            self._told = True
            _log.warning(
                "shard %s stands at %d: its batch was dispatched %d times, and no worker has committed it; is there a "
                "worker on this queue and this state, with the same rules?",
                self.name,
                self.driver.next,
                IN_VAIN + 1,
            )

    def _wait(self, seconds: float, records_from: int | None) -> None:
        if records_from is not None and self._finish_by is None:
            try:
                self._log.wait(records_from, seconds)
            except RetryableError as error:
                _log.warning("shard %s: %s", self.name, error)
                self._woken.wait(seconds)
            except (OffsetGoneError, LogShorterError):  # the driver's next step meets it, and tells it
                pass
            return
        self._woken.wait(min(seconds, 0.02) if self._finish_by is not None else seconds)
        self._woken.clear()

    def _finished(self) -> bool:
        if self._finish_by is None:
            return False
        driver = self.driver
        drained = driver.phase is not Phase.RUN or self.relay.drained >= driver.next
        if not (driver.idle and drained) and time.monotonic() < self._finish_by:
            self._on_found()
            return False
        return True
