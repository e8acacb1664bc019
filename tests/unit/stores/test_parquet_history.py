"""The Parquet history on the disk: its names, what a crash leaves, compaction, retention, other readers."""

import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tapewatch.model.errors import GiveUpError, RetryableError
from tapewatch.model.instruments import Instrument
from tapewatch.model.ticks import TickBatch, make_batch
from tapewatch.model.times import DAY_NS, MINUTE_NS
from tapewatch.stores.parquet import ParquetTickHistory, ParquetTickReader
from tapewatch.stores.parquet import manifest as manifests

T0 = 1_744_034_400_000_000_000  # 2025-04-07T14:00:00Z
DAY = T0 // DAY_NS
TSLA = Instrument("XNAS", "TSLA")
EVER = (-(2**63), 2**63 - 1)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "history"


def _trades(start: int, end: int, instrument: Instrument = TSLA, step_ns: int = MINUTE_NS) -> TickBatch:
    i = np.arange(start, end)
    return make_batch((instrument,), end - start, close=100.0 + i, offset=i, ts_event_ns=T0 + i * step_ns)


def _append(history: ParquetTickHistory, ticks: TickBatch) -> None:
    history.append(ticks, np.zeros(len(ticks), np.int8), int(ticks.offset[0]), int(ticks.offset[-1]) + 1)


def _offsets(source: ParquetTickHistory | ParquetTickReader) -> list[int]:
    return [offset for batch in source.scan(*EVER) for offset in batch.offset.tolist()]


def _files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.glob("venue=*/**/*") if path.is_file())


def _after_a_kill(history_root: Path, name: str = "killed") -> Path:
    """The directory as the death of the process at this moment leaves it."""
    copy = history_root.with_name(name)
    shutil.rmtree(copy, ignore_errors=True)
    return shutil.copytree(history_root, copy)


def test_files_are_named_by_venue_day_and_range_of_offsets(root: Path) -> None:
    history = ParquetTickHistory(root)
    _append(history, _trades(0, 3))
    assert history.flush() == 3
    _append(history, _trades(3, 4, Instrument("../a b", "X"), step_ns=DAY_NS))
    assert history.flush() == 4
    assert _files(root) == [
        "venue=..%2Fa%20b/date=2025-04-10/3-4.parquet",
        "venue=XNAS/date=2025-04-07/0-3.parquet",
    ]
    history.close()


def test_files_can_be_read_by_other_tools(root: Path) -> None:
    history = ParquetTickHistory(root)
    batch = make_batch((TSLA, Instrument("XNAS", "AAPL")), 4, symbol_id=np.array([0, 1, 0, 1]), offset=np.arange(4))
    history.append(batch, np.array([0, 1, 2, 3], np.int8), 0, 4)
    history.close()
    frame = pl.read_parquet(root / "venue=*" / "**" / "*.parquet", hive_partitioning=True)
    assert frame.select("venue", "symbol", "offset", "fate").rows() == [
        ("XNAS", "AAPL", 1, 1),
        ("XNAS", "AAPL", 3, 3),
        ("XNAS", "TSLA", 0, 0),
        ("XNAS", "TSLA", 2, 2),
    ]


def test_what_was_appended_survives_a_kill_without_a_flush(root: Path) -> None:
    history = ParquetTickHistory(root)
    _append(history, _trades(0, 5))
    history.flush()
    _append(history, _trades(5, 9))
    again = ParquetTickHistory(_after_a_kill(root))
    assert _offsets(again) == list(range(9))
    assert again.flush() == 9
    _append(again, _trades(0, 12))
    assert _offsets(again) == list(range(12))
    again.close()
    history.close()


@pytest.mark.parametrize("cut", [1, 11, 12, 100, 400])
def test_a_torn_tail_of_the_spool_is_left_out_and_can_be_replayed(root: Path, cut: int) -> None:
    history = ParquetTickHistory(root)
    _append(history, _trades(0, 4))
    whole = (root / "spool.bin").stat().st_size
    _append(history, _trades(4, 9))
    killed = _after_a_kill(root)
    with (killed / "spool.bin").open("r+b") as spool:
        spool.truncate(whole + cut)
    again = ParquetTickHistory(killed)
    assert _offsets(again) == list(range(4))
    _append(again, _trades(0, 9))
    third = ParquetTickHistory(_after_a_kill(killed, "killed again"))
    assert _offsets(third) == list(range(9))
    for opened in (third, again, history):
        opened.close()


def test_a_spool_with_a_flipped_bit_is_left_out(root: Path) -> None:
    history = ParquetTickHistory(root)
    _append(history, _trades(0, 4))
    killed = _after_a_kill(root)
    data = bytearray((killed / "spool.bin").read_bytes())
    data[-5] ^= 1
    (killed / "spool.bin").write_bytes(data)
    again = ParquetTickHistory(killed)
    assert _offsets(again) == []
    assert again.flush() == 0
    again.close()
    history.close()


def test_a_kill_between_the_files_and_the_manifest_leaves_no_half_of_a_flush(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = ParquetTickHistory(root)
    _append(history, _trades(0, 2))
    history.flush()
    _append(history, _trades(2, 6, step_ns=DAY_NS))  # four files
    killed: list[Path] = []
    with monkeypatch.context() as patch:
        patch.setattr(manifests, "save", lambda *_: killed.append(_after_a_kill(root)))
        history.flush()
    assert len(_files(killed[0])) == 5
    again = ParquetTickHistory(killed[0])
    assert _files(killed[0]) == ["venue=XNAS/date=2025-04-07/0-2.parquet"]
    assert _offsets(again) == list(range(6))
    assert again.flush() == 6
    assert len(_files(killed[0])) == 5
    again.close()


def test_a_kill_between_the_manifest_and_the_end_of_the_flush_writes_nothing_twice(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = ParquetTickHistory(root)
    _append(history, _trades(0, 4))
    spool = (root / "spool.bin").read_bytes()
    history.flush()
    killed = _after_a_kill(root)
    (killed / "spool.bin").write_bytes(spool)
    again = ParquetTickHistory(killed)
    assert _offsets(again) == list(range(4))
    assert again.flush() == 4
    again.close()
    history.close()


def test_a_flush_that_fails_takes_back_its_files_and_can_be_tried_again(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = ParquetTickHistory(root)
    _append(history, _trades(0, 4, step_ns=DAY_NS))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(manifests, "save", full)
        with pytest.raises(RetryableError, match="No space left"):
            history.flush()
    assert _files(root) == []
    assert _offsets(history) == list(range(4))
    _append(history, _trades(4, 6, step_ns=DAY_NS))
    assert history.flush() == 6
    assert _offsets(history) == list(range(6))
    history.close()


def test_temporary_files_of_a_crash_are_removed_at_open(root: Path) -> None:
    history = ParquetTickHistory(root)
    _append(history, _trades(0, 1))
    history.close()
    for name in ("manifest.json.tmp", "venue=XNAS/date=2025-04-07/1-2.tmp"):
        (root / name).write_bytes(b"half")
    ParquetTickHistory(root).close()
    assert not list(root.glob("**/*.tmp"))


def test_small_files_of_a_venue_and_day_are_joined(root: Path) -> None:
    history = ParquetTickHistory(root, max_rows=1_000, compact_at=4)
    for i in range(30):
        _append(history, _trades(i, i + 1))
        history.flush()
        assert len(_files(root)) <= 4
        assert _offsets(history) == list(range(i + 1))
    history.close()
    assert _offsets(ParquetTickReader(root)) == list(range(30))


def test_files_that_are_large_enough_are_left_alone(root: Path) -> None:
    history = ParquetTickHistory(root, max_rows=10, compact_at=2)
    for i in range(0, 40, 10):
        _append(history, _trades(i, i + 10))
    history.close()
    assert [name.rsplit("/")[-1] for name in _files(root)] == [f"{i}-{i + 10}.parquet" for i in range(0, 40, 10)]


def test_readers_see_each_tick_once_while_files_are_joined(root: Path) -> None:
    history = ParquetTickHistory(root, max_rows=1_000, compact_at=2)
    other, stop, wrong = ParquetTickReader(root), threading.Event(), []

    def read(source: ParquetTickHistory | ParquetTickReader) -> None:
        seen = 0
        while not stop.is_set():
            bars = source.bars("XNAS", "TSLA", *EVER, MINUTE_NS)
            if bars.close.tolist() != [100.0 + i for i in range(len(bars.close))] or len(bars.close) < seen:
                wrong.append(bars.close.tolist())
            seen = len(bars.close)

    threads = [threading.Thread(target=read, args=(source,)) for source in (history, other)]
    for thread in threads:
        thread.start()
    for i in range(40):
        _append(history, _trades(i, i + 1))
        history.flush()
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert _offsets(other) == list(range(40))
    history.close()


def test_a_scan_that_has_begun_keeps_the_files_that_it_needs(root: Path) -> None:
    history = ParquetTickHistory(root)
    _append(history, _trades(0, 3))
    history.flush()
    scan = history.scan(*EVER)
    first = next(scan)
    assert history.retain(T0 + 100 * DAY_NS, 1) == 3
    assert _files(root) == ["venue=XNAS/date=2025-04-07/0-3.parquet"]
    assert len(first) == 3
    assert list(scan) == []
    assert _files(root) == []
    history.close()


def test_retention_removes_whole_days_that_are_over(root: Path) -> None:
    history = ParquetTickHistory(root)
    _append(history, _trades(0, 5, step_ns=DAY_NS))
    history.flush()
    assert history.retain((DAY + 4) * DAY_NS, 2) == 1  # 04-07 ended 3 days ago, 04-08 exactly 2
    assert history.retain((DAY + 4) * DAY_NS + 1, 2) == 1
    history.retain((DAY + 4) * DAY_NS + 1, 2)
    assert sorted(path.name for path in (root / "venue=XNAS").iterdir()) == [
        "date=2025-04-09",
        "date=2025-04-10",
        "date=2025-04-11",
    ]
    assert _offsets(history) == [2, 3, 4]
    assert history.flush() == 5  # what was removed is not asked for again
    history.close()


def test_there_is_one_writer_at_a_time(root: Path) -> None:
    history = ParquetTickHistory(root)
    with pytest.raises(GiveUpError, match="another process writes"):
        ParquetTickHistory(root)
    history.close()
    ParquetTickHistory(root).close()


def test_a_killed_writer_leaves_no_lock(root: Path) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom tapewatch.stores.parquet import ParquetTickHistory\n"
        "history = ParquetTickHistory(Path(sys.argv[1]))\nprint('open', flush=True)\ntime.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(root)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    process.kill()
    process.wait()
    process.stdout.close()
    ParquetTickHistory(root).close()


def test_files_without_a_manifest_are_never_removed(root: Path) -> None:
    history = ParquetTickHistory(root)
    _append(history, _trades(0, 1))
    history.close()
    (root / "manifest.json").unlink()
    with pytest.raises(GiveUpError, match=r"no manifest\.json"):
        ParquetTickHistory(root)
    assert len(_files(root)) == 1


@pytest.mark.parametrize("content", [b"{", b'{"archived": "x"}', b'{"version": 99}'])
def test_a_manifest_that_is_not_ours_is_refused(root: Path, content: bytes) -> None:
    root.mkdir()
    (root / "manifest.json").write_bytes(content)
    with pytest.raises(GiveUpError, match=r"manifest\.json"):
        ParquetTickHistory(root)


def test_a_lost_file_is_named(root: Path) -> None:
    history = ParquetTickHistory(root)
    _append(history, _trades(0, 1))
    history.close()
    next(root.glob("venue=*/date=*/*.parquet")).unlink()
    with pytest.raises(GiveUpError, match=r"lost 1 of its files, e\.g\. .*0-1\.parquet"):
        ParquetTickHistory(root)


def test_a_reader_of_what_is_not_there_yet_sees_nothing(root: Path) -> None:
    reader = ParquetTickReader(root)
    assert len(reader.bars("XNAS", "TSLA", *EVER, MINUTE_NS).ts_ns) == 0
    assert _offsets(reader) == []


def test_a_large_range_is_scanned_in_windows(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tapewatch.stores.parquet import reader

    monkeypatch.setattr(reader, "_WINDOW_ROWS", 10)
    monkeypatch.setattr(reader, "_BATCH_ROWS", 4)
    history = ParquetTickHistory(root)
    _append(history, _trades(0, 100))
    history.flush()
    sizes = [len(batch) for batch in history.scan(*EVER)]
    assert max(sizes) <= 4
    assert _offsets(history) == list(range(100))
    history.close()


def test_the_buffer_is_flushed_when_it_is_full(root: Path) -> None:
    history = ParquetTickHistory(root, max_rows=10)
    _append(history, _trades(0, 9))
    assert _files(root) == []
    _append(history, _trades(9, 12))
    assert len(_files(root)) == 1
    assert (root / "spool.bin").stat().st_size == 0
    history.close()
