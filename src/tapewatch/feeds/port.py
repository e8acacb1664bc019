"""The port that every feed implements."""

from collections.abc import Iterator
from typing import Protocol

from tapewatch.model.ticks import FeedBatch


class Feed(Protocol):
    """A source of ticks in tape order, with its heartbeats and its unreadable records."""

    @property
    def identity(self) -> str:
        """Names the content: two feeds with one identity yield the same records at the same offsets.

        A feed that cannot be read again from an offset has an empty identity; the runtime appends it to a segment file
        first, or says that it cannot be resumed.
        """
        ...

    def batches(self, start: int, limit: int = 100_000) -> Iterator[FeedBatch]:
        """Yield batches of at most `limit` records from offset `start` to the end (or for ever, if it is live).

        Where the cuts fall is the feed's affair and may differ from run to run; the records do not. Raises InputError
        where the source is not market data at all, RetryableError where it is out of reach.
        """
        ...
