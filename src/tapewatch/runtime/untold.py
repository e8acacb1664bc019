"""History that somebody runs through the pipeline to look at: nobody is notified of it afterwards."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from tapewatch.runtime.notices import CURSOR, GROUP_CURSOR
from tapewatch.stores.sqlite import Database, SqliteAlertStore, SqliteCursors, SqliteGroupStore


@contextmanager
def untold(database: Database) -> Iterator[None]:
    """What is found inside the block counts as told, so that a server that opens the directory later is silent about
    it. Where the block raises, or where earlier news still waited for a server, all of it is told: late, not never."""
    cursors = SqliteCursors(database)
    news = SqliteAlertStore(database, time.time_ns).news(cursors.get(CURSOR), 1)
    groups = SqliteGroupStore(database, time.time_ns).changed(cursors.get(GROUP_CURSOR), 1)
    yield
    if not news and not groups:
        cursors.skip(CURSOR, "changes")
        cursors.skip(GROUP_CURSOR, "groups")
