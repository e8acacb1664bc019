"""`tapewatch generate --to kafka`: what stands in the partitions of a real broker afterwards."""

import itertools
import re
import uuid
from pathlib import Path

import httpx
import numpy as np
import pytest

from tapewatch.feeds.simulator import SimulatorConfig, market
from tapewatch.model.errors import InputError
from tapewatch.model.ticks import FeedBatch, Kind
from tapewatch.runtime.cli import main
from tapewatch.runtime.cluster.generator import publish
from tapewatch.runtime.cluster.servers import Running
from tapewatch.runtime.cluster.servers.ports import free_port
from tapewatch.runtime.config.kafka import KafkaSection, kafka_settings
from tapewatch.runtime.config.sinks import OpsSection
from tapewatch.tape.codec import CodecSettings, JsonDecoder
from tapewatch.tape.kafka import KafkaTape

pytestmark = pytest.mark.cluster

PARTITIONS = 3
MARKET = SimulatorConfig(seed=3, stocks=5, crypto=2, days=1)


@pytest.fixture
def section(kafka_server: Running) -> KafkaSection:
    return KafkaSection(bootstrap=kafka_server.address, topics=(f"t-{uuid.uuid4().hex[:12]}",), partitions=PARTITIONS)


def _read(section: KafkaSection, partition: int) -> FeedBatch:
    tape = KafkaTape(kafka_settings(section), section.topics[0], partition)
    try:
        raw = tape.read(0, 1_000_000, 1 << 30)
        assert raw.end == tape.bounds()[1]
        return JsonDecoder(CodecSettings("t", lambda _: "UTC")).decode(raw)
    finally:
        tape.close()


def test_each_partition_holds_its_symbols_in_order_among_all_heartbeats(section: KafkaSection) -> None:
    done = publish(section, market(MARKET))
    source = list(market(MARKET).batches(0))
    beats = np.concatenate([b.ticks.ts_event_ns[b.ticks.kind == Kind.HEARTBEAT] for b in source])
    ticks = sum(int((b.ticks.kind != Kind.HEARTBEAT).sum()) for b in source)
    assert (done.records, done.messages) == (ticks + beats.size, ticks + PARTITIONS * beats.size)
    home: dict[str, int] = {}
    for partition in range(PARTITIONS):
        found = _read(section, partition)
        assert found.dead == ()
        assert (found.ticks.ts_event_ns[found.ticks.kind == Kind.HEARTBEAT] == beats).all()
        expected = [i for b in source for i in _rows(b, {s.symbol for s in found.ticks.symbols})]
        assert list(_rows(found, None)) == expected  # heartbeats where they stood, every tick with all its values
        home |= {s.symbol: partition for s in found.ticks.symbols}
    assert len(home) == MARKET.stocks + MARKET.crypto


def test_its_figures_are_served_while_it_writes(section: KafkaSection) -> None:
    port, scraped = free_port(), list[str]()

    def scrape(_: int) -> None:
        if not scraped:
            found = [httpx.get(f"http://127.0.0.1:{port}/{name}", trust_env=False) for name in ("metrics", "readyz")]
            scraped.extend(answer.text for answer in found)

    done = publish(section, market(MARKET), advance=scrape, ops=OpsSection(port=port))
    figures, ready = scraped
    written = re.search(r"tapewatch_generated_records_total (\d\S*)", figures)
    assert written is not None and 0 <= float(written[1]) <= done.records
    assert '"ready"' in ready
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False)


def _rows(batch: FeedBatch, symbols: set[str] | None) -> list[tuple[object, ...]]:
    t = batch.ticks
    columns = [c.tolist() for c in (t.kind, t.ts_event_ns, t.interval_ns, t.open, t.high, t.low, t.close, t.volume)]
    names = [t.symbols[i].symbol if i >= 0 else None for i in t.symbol_id.tolist()]
    rows = []
    for name, kind, *values in zip(names, *columns, strict=True):
        if symbols is None or name is None or name in symbols:
            rows.append((name, kind, *values) if name else (kind, values[0]))  # a heartbeat has no prices
    return rows


def test_a_topic_that_was_made_with_other_partitions_is_refused_before_anything_is_written(
    section: KafkaSection,
) -> None:
    publish(section, market(MARKET))
    other = KafkaSection(bootstrap=section.bootstrap, topics=section.topics, partitions=PARTITIONS + 1)
    with pytest.raises(InputError, match="has 3 partitions, the settings say 4"):
        publish(other, market(MARKET))


def test_the_command_replays_a_file_to_a_topic_with_what_it_cannot_read(
    section: KafkaSection, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [f"2025-04-07 09:{30 + i}:00, 100, 101, 99, 10{i}, 1000" for i in range(5)]
    rows.insert(2, "2025-04-07 09:31:30, 100, 101, none of it, 100, 1000")
    (tmp_path / "TSLA.csv").write_text("\n".join(["timestamp, open, high, low, close, volume", *rows]) + "\n")
    monkeypatch.setenv("TAPEWATCH_KAFKA__BOOTSTRAP", section.bootstrap)
    monkeypatch.setenv("TAPEWATCH_KAFKA__PARTITIONS", str(PARTITIONS))
    monkeypatch.setenv("TAPEWATCH_KAFKA__TOPICS", f'["{section.topics[0]}"]')
    with pytest.raises(SystemExit) as ended:
        main(["generate", "--to", "kafka", "--file", str(tmp_path / "TSLA.csv"), "--topic", section.topics[0]])
    assert ended.value.code == 0
    assert f"in topic {section.topics[0]}, 3 partitions" in capsys.readouterr().err
    found = [_read(section, p) for p in range(PARTITIONS)]
    closes = [b.ticks.close[b.ticks.kind == Kind.BAR].tolist() for b in found]
    assert sorted(closes, key=len) == [[], [], [100.0, 101.0, 102.0, 103.0, 104.0]]
    (letter,) = itertools.chain.from_iterable(b.dead for b in found)
    assert "none of it" in letter.raw


def test_a_copy_with_more_partitions_holds_what_was_generated_to_as_many(
    section: KafkaSection, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(section, market(MARKET))
    names = ((f"{section.topics[0]}-{n}",) for n in "ab")
    copied, wide = (KafkaSection(bootstrap=section.bootstrap, topics=n, partitions=5) for n in names)
    publish(wide, market(MARKET))
    monkeypatch.setenv("TAPEWATCH_KAFKA__BOOTSTRAP", section.bootstrap)
    command = ["topics", "copy", section.topics[0], copied.topics[0], "--partitions", "5"]
    with pytest.raises(SystemExit) as ended:
        main(command)
    assert ended.value.code == 0
    for partition in range(5):
        found, wanted = _read(copied, partition), _read(wide, partition)
        symbols = {s.symbol for s in wanted.ticks.symbols}
        assert {s.symbol for s in found.ticks.symbols} == symbols
        for symbol in symbols:  # each among the heartbeats; between two of them, partitions may have taken turns
            assert list(_rows(found, {symbol})) == list(_rows(wanted, {symbol}))
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(command)
    assert ended.value.code != 0
    assert "is not empty" in capsys.readouterr().err
