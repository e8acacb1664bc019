"""Bars from ticks that only Elasticsearch keeps are those of the reference, whatever range is asked for."""

import uuid
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from elasticsearch import Elasticsearch

from tapewatch.model.bars import Bars
from tapewatch.model.errors import InputError
from tapewatch.model.instruments import Instrument
from tapewatch.model.ticks import Fate, Kind, make_batch
from tapewatch.model.times import MINUTE_NS, SECOND_NS
from tapewatch.runtime.cluster.servers import Running
from tapewatch.stores.elasticsearch import (
    BulkWriter,
    ElasticBars,
    ElasticSettings,
    ElasticTickWriter,
    connect,
    ensure_indices,
)
from tapewatch.stores.elasticsearch import ticks as module
from tapewatch.stores.memory import MemoryTickHistory

pytestmark = pytest.mark.cluster

T0 = 1_744_034_400_000_000_000  # 2025-04-07T14:00:00Z
TSLA = Instrument("XNAS", "TSLA")
N = 60
Client = tuple[Elasticsearch, str]


@pytest.fixture(scope="module")
def client(elasticsearch_server: Running) -> Iterator[Client]:
    client, prefix = connect(ElasticSettings((elasticsearch_server.address,))), f"{uuid.uuid4().hex}-"
    yield client, prefix
    for name in client.indices.get(index=f"{prefix}*", features="aliases"):
        client.indices.delete(index=name)
    client.close()


@pytest.fixture(scope="module")
def reference(client: Client) -> MemoryTickHistory:
    """Trades, several of them at one time, and bars of two lengths, in both stores."""
    rng, i = np.random.default_rng(5), np.arange(N)
    interval_ns = rng.choice([0, 0, MINUTE_NS, 7 * MINUTE_NS], N)
    ticks = make_batch(
        (TSLA,),
        N,
        kind=np.where(interval_ns > 0, Kind.BAR, Kind.TRADE),
        close=100.0 + i,
        volume=np.where(i % 5 == 0, np.nan, 1.0 + i),
        interval_ns=interval_ns,
        ts_event_ns=T0 + i // 4 * 47 * SECOND_NS,
        offset=i,
    )
    fates = np.where(i % 7 == 3, Fate.LATE, Fate.JUDGED).astype(np.int8)
    elastic, prefix = client
    writer = BulkWriter(elastic, lambda refused: pytest.fail(str(refused)))
    ElasticTickWriter(writer, lambda: ensure_indices(elastic, prefix, only=("ticks",)), prefix=prefix).write(
        "tape", ticks, fates
    )
    elastic.indices.refresh(index=f"{prefix}ticks-*")
    memory = MemoryTickHistory()
    memory.append(ticks, fates, 0, N)
    return memory


def _rows(bars: Bars) -> list[str]:
    columns = (bars.ts_ns, bars.open, bars.high, bars.low, bars.close, bars.volume)
    return [repr(row) for row in zip(*(column.tolist() for column in columns), strict=True)]


@pytest.mark.parametrize("interval_ns", [MINUTE_NS, 5 * MINUTE_NS])
@pytest.mark.parametrize("begin_s", [0, 1, 90, 300])
@pytest.mark.parametrize("end_s", [301, 360, 500, 10_000])
def test_bars_of_any_range_are_those_of_the_reference(
    client: Client, reference: MemoryTickHistory, interval_ns: int, begin_s: int, end_s: int
) -> None:
    span = T0 + begin_s * SECOND_NS, T0 + end_s * SECOND_NS
    expected = _rows(reference.bars("XNAS", "TSLA", *span, interval_ns))
    assert expected or begin_s == 300
    assert _rows(ElasticBars(client[0], prefix=client[1]).bars("XNAS", "TSLA", *span, interval_ns)) == expected


def test_pages_of_time_give_each_bar_once(client: Client, reference: MemoryTickHistory) -> None:
    bars = ElasticBars(client[0], prefix=client[1])
    edges = [T0 + s * SECOND_NS for s in range(-20, 1_000, 100)]
    paged = [row for a, b in pairwise(edges) for row in _rows(bars.bars(*_key(a, b)))]
    assert paged == _rows(reference.bars(*_key(edges[0], edges[-1])))


def _key(from_ns: int, to_ns: int) -> tuple[str, str, int, int, int]:
    return TSLA.venue, TSLA.symbol, from_ns, to_ns, MINUTE_NS


def test_more_ticks_than_can_be_read_are_refused_and_not_cut(
    client: Client, reference: MemoryTickHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged = sum(i % 7 != 3 for i in range(N))
    bars = ElasticBars(client[0], prefix=client[1])
    monkeypatch.setattr(module, "_MOST", judged)
    assert _rows(bars.bars(*_key(T0, T0 + 2**50)))
    monkeypatch.setattr(module, "_MOST", judged - 1)
    with pytest.raises(InputError, match="ask for less"):
        bars.bars(*_key(T0, T0 + 2**50))
