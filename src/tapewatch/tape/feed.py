"""A tape as a feed, and a feed onto a tape: how what cannot be read again becomes what can."""

from collections.abc import Callable, Iterator

from tapewatch.model.errors import InputError
from tapewatch.model.ticks import FeedBatch
from tapewatch.tape.codec import JsonDecoder, encode_batch
from tapewatch.tape.port import Tape


class TapeFeed:
    """The `Feed` of one tape; its identity is the tape's.

    `ended` says whether no more will be appended; until then the feed waits at the end of the tape, calling `pause`
    between looks. `finish` is called once all was read; it may raise what made the tape end. Heartbeats are records of
    the tape: this feed makes none.
    """

    def __init__(
        self,
        tape: Tape,
        decoder: JsonDecoder,
        *,
        ended: Callable[[], bool] = lambda: True,
        pause: Callable[[], None] = lambda: None,
        finish: Callable[[], None] = lambda: None,
    ) -> None:
        self._tape, self._decoder = tape, decoder
        self._ended, self._pause, self._finish = ended, pause, finish

    @property
    def identity(self) -> str:
        return self._tape.identity

    def batches(self, start: int, limit: int = 100_000) -> Iterator[FeedBatch]:
        if start < 0 or limit < 1:
            raise InputError(f"cannot read from offset {start} in batches of {limit}")
        return self._read(start, limit)

    def _read(self, start: int, limit: int) -> Iterator[FeedBatch]:
        while True:
            ended = self._ended()  # asked before the look: what was appended before the end is seen by it
            raw = self._tape.read(start, limit)
            if len(raw):
                yield self._decoder.decode(raw)
                start = raw.end
            elif ended:
                self._finish()
                return
            else:
                self._pause()


def record(batches: Iterator[FeedBatch], tape: Tape, now_ns: Callable[[], int]) -> Iterator[int]:
    """Append what a feed yields, its heartbeats and dead letters included, batch by batch; yield the tape's end after
    each, so that the caller can stop or report."""
    for batch in batches:
        yield tape.append(encode_batch(batch), now_ns())
