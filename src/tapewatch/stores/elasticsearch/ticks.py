"""Ticks in Elasticsearch: the archive's second place, as a setting; one document a record of the tape."""

from collections.abc import Callable, Iterator

import msgspec
import numpy as np
from elasticsearch import Elasticsearch
from numpy.typing import NDArray

from tapewatch.model.bars import Bars
from tapewatch.model.errors import InputError
from tapewatch.model.instruments import Instrument
from tapewatch.model.ticks import Fate, Kind, TickBatch
from tapewatch.model.times import format_rfc3339
from tapewatch.stores.elasticsearch.bulk import BulkWriter, Operation
from tapewatch.stores.elasticsearch.client import answering
from tapewatch.stores.elasticsearch.indices import TICKS, month_of
from tapewatch.stores.elasticsearch.search import Document, equal, read_page
from tapewatch.stores.port import AlertQuery

_encode = msgspec.json.Encoder().encode
_NUMBERS = ("open", "high", "low", "close", "volume")
_MOST = 500_000  # ticks that one question may read
_MOST_NAMES = 10_000


class ElasticTickWriter:
    """Writes ticks by (tape, offset): a repeat changes nothing."""

    def __init__(self, writer: BulkWriter, make: Callable[[], None], *, prefix: str = "") -> None:
        """`make` is called before the first write, and again until it does not raise: it writes the template."""
        self._writer, self._make, self._index = writer, make, f"{prefix}{TICKS}"
        self._made = False

    def write(self, tape: str, ticks: TickBatch, fates: NDArray[np.int8]) -> None:
        """Heartbeats are left out. About 20 us a tick, and the server's share."""
        if not self._made:
            self._make()
            self._made = True
        self._writer.write(list(self._operations(tape, ticks, fates)))

    def _operations(self, tape: str, ticks: TickBatch, fates: NDArray[np.int8]) -> Iterator[Operation]:
        columns = {name: column.tolist() for name, column in ticks.columns().items()}
        for i in np.flatnonzero(ticks.kind != Kind.HEARTBEAT).tolist():
            instrument = ticks.symbols[columns["symbol_id"][i]]
            ts_ns = columns["ts_event_ns"][i]
            document = {
                "tick_id": f"{tape}/{columns['offset'][i]}",
                "venue": instrument.venue,
                "symbol": instrument.symbol,
                "kind": Kind(columns["kind"][i]).name.lower(),
                "fate": Fate(int(fates[i])).name.lower(),
                "timestamp": format_rfc3339(ts_ns),
                **{name: columns[name][i] for name in ("ts_event_ns", "interval_ns", "offset", "ts_append_ns")},
                **{name: columns[name][i] for name in (*_NUMBERS, "side", "trade_id_hash")},
            }
            index = f"{self._index}-{month_of(ts_ns)}"
            yield Operation(index, str(document["tick_id"]), _encode(document), create=True)


class ElasticBars:
    """An `ArchiveReader` over `ticks-*`, for ranges of at most half a million ticks."""

    def __init__(self, client: Elasticsearch, *, prefix: str = "") -> None:
        self._client, self._index = client, f"{prefix}{TICKS}-*"

    def bars(self, venue: str, symbol: str, from_ns: int, to_ns: int, interval_ns: int) -> Bars:
        """As the port says; a tick is found within the index's refresh interval. InputError for a longer range."""
        if interval_ns <= 0:
            raise ValueError(f"interval_ns must be positive, is {interval_ns}")
        until_ns = -(-to_ns // interval_ns) * interval_ns  # a bar that starts in the range may end after it
        query = AlertQuery(from_ns=from_ns, to_ns=until_ns, limit=_MOST + 1, newest_first=False)
        filters = equal(venue=venue, symbol=symbol, fate="judged")
        ticks = read_page(self._client, self._index, filters, "ts_event_ns", "offset", query)
        if len(ticks) > _MOST:
            raise InputError(f"more than {_MOST} ticks of {symbol} in that time: ask for less of it at once")
        return _joined(ticks, interval_ns, from_ns, to_ns)

    def instruments(self, from_ns: int, to_ns: int) -> list[Instrument]:
        """As the port says, at most `_MOST_NAMES`."""
        sources = [{name: {"terms": {"field": name}}} for name in ("venue", "symbol")]
        with answering(f"searching {self._index}"):
            found = self._client.search(
                index=self._index,
                ignore_unavailable=True,
                size=0,
                query={"range": {"ts_event_ns": {"gte": from_ns, "lt": to_ns}}},
                aggs={"names": {"composite": {"size": _MOST_NAMES, "sources": sources}}},
            )
        buckets = found["aggregations"]["names"]["buckets"] if "aggregations" in found else []
        return [Instrument(b["key"]["venue"], b["key"]["symbol"]) for b in buckets]


def _joined(ticks: list[Document], interval_ns: int, from_ns: int, to_ns: int) -> Bars:
    rows: dict[tuple[int, int], list[float]] = {}
    for tick in ticks:
        longer = tick["interval_ns"] > interval_ns
        at = tick["ts_event_ns"] if longer else tick["ts_event_ns"] // interval_ns * interval_ns
        key = at, tick["offset"] if longer else -1
        volume = float("nan") if tick["volume"] is None else tick["volume"]
        row = rows.get(key)
        if row is None:
            rows[key] = [tick["open"], tick["high"], tick["low"], tick["close"], volume]
            continue
        row[1], row[2], row[3] = max(row[1], tick["high"]), min(row[2], tick["low"]), tick["close"]
        row[4] = volume if np.isnan(row[4]) else row[4] if np.isnan(volume) else row[4] + volume
    keys = sorted(key for key in rows if from_ns <= key[0] < to_ns)
    table = np.array([rows[key] for key in keys], np.float64).reshape(-1, 5)
    return Bars(np.array([at for at, _ in keys], np.int64), *(np.ascontiguousarray(table[:, i]) for i in range(5)))
