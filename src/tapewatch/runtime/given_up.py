"""Notices that were given up, for those who look at them and have them sent after all."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import msgspec

from tapewatch.model.errors import InputError
from tapewatch.model.ledger import LedgerRow
from tapewatch.runtime.config.settings import Settings
from tapewatch.runtime.embedded import DATABASE, database_in
from tapewatch.stores.port import GivenUpNotices, NoticeLedger
from tapewatch.stores.sqlite import Database, SqliteNoticeLedger

MOST = 10_000


class Ledger(NoticeLedger, GivenUpNotices, Protocol):
    """What is asked of the ledger here."""


@contextmanager
def open_ledger(settings: Settings, *, cluster: bool | None) -> Iterator[Ledger]:
    """The ledger of the cluster, or of the data directory, which another process may be writing to; where `cluster` is
    None, of the directory if that holds data. InputError where there is none."""
    if cluster is None:
        cluster = not (settings.data_dir / DATABASE).exists()
    if not cluster:
        database = Database(database_in(settings.data_dir))
        try:
            yield SqliteNoticeLedger(database, time.time_ns)
        finally:
            database.close()
        return
    if settings.state.url is None:
        raise InputError(f"{settings.data_dir} holds no tapewatch data, and state.url names no Redis of a cluster")
    from tapewatch.stores.redis.client import connect
    from tapewatch.stores.redis.notices import RedisNoticeLedger

    state = settings.state
    client = connect(state.address, cluster=state.cluster, timeout_s=state.timeout_s)
    try:
        yield RedisNoticeLedger(client, state.prefix)
    finally:
        client.close()


def given_up(ledger: GivenUpNotices, channel: str | None, alert: str | None) -> list[LedgerRow]:
    """Those of the newest `MOST` of this channel and alert (None: any), oldest first."""
    found = ledger.given_up(MOST)
    return [row for row in found if channel in (None, row.channel) and alert in (None, row.alert_id)]


def owe_again(ledger: NoticeLedger, rows: Sequence[LedgerRow]) -> None:
    """Have them tried again at once, with all attempts before them."""
    for row in rows:
        ledger.settle(msgspec.structs.replace(row, state="pending", attempts=0, next_try_ns=0))
