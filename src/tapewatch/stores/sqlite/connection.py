"""One SQLite file: a writer behind a lock, a pool of readers, errors by what the caller must do."""

import queue
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tapewatch.model.errors import GiveUpError, RetryableError
from tapewatch.stores.sqlite.schema import migrate

_BUSY_TIMEOUT_MS = 5_000
_PASSING = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_INTERRUPT})
_WRITER_CACHE_KIB, _READER_CACHE_KIB = 32_768, 8_192


class Database:
    """The database file that all SQLite stores of one process share. Threads may use it at once.

    WAL: readers never wait for the writer, each read sees one committed state. A commit survives the death of the
    process at any moment. A power cut may take the last commits since a durable one, all or nothing each, never the
    file: what comes of the tape is made again from it, and what people write is written durably.
    Raises RetryableError where the file is busy, GiveUpError (naming the file) where it is full, corrupt or not ours.
    """

    def __init__(self, path: Path, *, busy_timeout_ms: int = _BUSY_TIMEOUT_MS) -> None:
        self.path = path
        self._busy_timeout_ms = busy_timeout_ms
        self._lock = threading.Lock()
        self._readers: queue.LifoQueue[sqlite3.Connection] = queue.LifoQueue()
        self._closed = False
        with _errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = self._open()
            try:
                self._writer.execute("PRAGMA journal_mode = WAL")
                self._writer.execute(f"PRAGMA cache_size = -{_WRITER_CACHE_KIB}")
                migrate(self._writer, str(path))
            except BaseException:
                self._writer.close()
                raise

    @contextmanager
    def write(self, *, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """One transaction: committed when the block ends, rolled back when it raises. One at a time in the process.

        `durable`: it, and all before it, survive a power cut once the block has ended. Costs a wait for the disk.
        """
        with self._lock, _errors(self.path):
            self._refuse_if_closed()
            self._writer.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                # SQLite itself rolls back on some errors (a full disk); then there is nothing left to roll back.
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A connection on which all statements of the block see the same committed state."""
        with _errors(self.path):
            self._refuse_if_closed()
            reader = self._reader()
            try:
                reader.execute("BEGIN")
                yield reader
            finally:
                if reader.in_transaction:
                    reader.execute("ROLLBACK")
                self._readers.put(reader)

    def close(self) -> None:
        """Close all connections; what is committed stays. Further use raises GiveUpError."""
        with self._lock:
            self._closed = True
            self._writer.close()
            with suppress(queue.Empty):
                while True:
                    self._readers.get_nowait().close()

    def _reader(self) -> sqlite3.Connection:
        # A pool and not thread-locals: the threads of a web server come and go, and would leave connections behind.
        try:
            return self._readers.get_nowait()
        except queue.Empty:
            reader = self._open()
            reader.execute("PRAGMA query_only = ON")
            reader.execute(f"PRAGMA cache_size = -{_READER_CACHE_KIB}")
            return reader

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        connection.execute(f"PRAGMA busy_timeout = {self._busy_timeout_ms}")
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise GiveUpError(f"{self.path} is closed")


@contextmanager
def _errors(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.IntegrityError:
        raise  # a defect of ours, not of the file: let it be seen as what it is
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code in _PASSING:
            raise RetryableError(f"{path} is busy: {error}") from error
        raise GiveUpError(f"{path}: {error}") from error
    except OSError as error:
        raise GiveUpError(f"{path}: {error}") from error
