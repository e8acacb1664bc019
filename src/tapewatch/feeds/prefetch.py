"""Reading ahead in a thread, so that unpacking and parsing go on while the engine works."""

import queue
import threading
from collections.abc import Generator, Iterator
from typing import TypeVar

T = TypeVar("T")


class _End:
    """The source has ended, or failed with `error`."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def prefetch(source: Iterator[T], depth: int) -> Generator[T, None, None]:
    """Yield what `source` yields, keeping up to `depth` items ready.

    What the source raises is raised here, after the items before it. Closing the generator stops the thread at the
    next item.
    """
    ready: queue.Queue[T | _End] = queue.Queue(depth)
    stopped = threading.Event()

    def put(item: T | _End) -> bool:
        while not stopped.is_set():
            try:
                ready.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def work() -> None:
        error: BaseException | None = None
        try:
            for item in source:
                if not put(item):
                    return
        except BaseException as raised:  # noqa: BLE001  # it is raised again in the thread that reads
            error = raised
        put(_End(error))

    thread = threading.Thread(target=work, name="feed-read-ahead", daemon=True)
    thread.start()
    try:
        while True:
            item = ready.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item
    finally:
        stopped.set()
