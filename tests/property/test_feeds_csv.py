"""Laws of the CSV feed: nothing depends on where it is cut or from where it is resumed; numbers are Python's."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tapewatch.feeds.csv import open_csv
from tapewatch.feeds.csv_settings import CsvSettings
from tapewatch.model.numbers import LEAST, MOST
from tapewatch.model.ticks import DTYPES, FeedBatch
from tapewatch.model.times import SECOND_NS, format_rfc3339
from tests.unit.feeds.helpers import bars, gather, read_files, write, zone_of

T_NS = 1_762_056_000 * SECOND_NS  # 2025-11-02T04:00:00Z: the clocks of New York go back two hours later
Item = tuple[object, ...]

_times = st.integers(0, 4 * 3600).map(lambda s: T_NS + s * SECOND_NS // 2)
_texts = st.one_of(
    _times.map(format_rfc3339),
    _times.map(lambda t: str(t // 10**6)),
    _times.map(str),
    _times.map(lambda t: f"{t // SECOND_NS}.{t % SECOND_NS:09d}"),
    _times.map(lambda t: format_rfc3339(t - 4 * 3600 * SECOND_NS).removesuffix("Z").replace("T", " ")),
    st.sampled_from(["", "never", "2025-03-09 02:30:00"]),
)
_prices = st.one_of(
    st.floats(-1e9, 1e9).map(repr), st.sampled_from(["", "x", "nan", " 1.5 ", "+2", '"3"', '"4', '4"', '"5"5', "6\r7"])
)
_rows = st.builds("{},{},{p},{p},{p},{},{}".format, _texts, st.sampled_from("ABC"), _prices, _prices, p=st.just("1.0"))
_lines = st.lists(st.one_of(_rows, st.sampled_from(["", "junk", "a,b,c,d,e,f,g"])), max_size=40)


def records(batches: list[FeedBatch]) -> list[Item]:
    """Every record as a tuple that does not depend on the batch that carried it, in the order of offsets."""
    found: dict[int, Item] = {}
    for batch in batches:
        columns = {n: c.tolist() for n, c in batch.ticks.columns().items() if n != "symbol_id"}
        names = [str(batch.ticks.symbols[i]) if i >= 0 else "" for i in batch.ticks.symbol_id]
        for i, offset in enumerate(columns["offset"]):
            found[offset] = (names[i], *(repr(columns[n][i]) for n in DTYPES if n != "symbol_id"))
        found |= {d.offset: ("dead", d.source, d.position, d.reason, d.raw) for d in batch.dead}
    return [found[offset] for offset in sorted(found)]


@settings(max_examples=60, deadline=None)
@given(
    files=st.lists(_lines, min_size=1, max_size=3), block=st.integers(1, 400), limit=st.integers(1, 30), data=st.data()
)
def test_records_and_offsets_do_not_depend_on_blocks_batches_or_the_point_of_resumption(
    files: list[list[str]], block: int, limit: int, data: st.DataObject
) -> None:
    given_interval = CsvSettings(interval_ns=60 * SECOND_NS)
    with tempfile.TemporaryDirectory() as folder:
        paths = write(Path(folder), {f"f{i}.csv": bars(lines) for i, lines in enumerate(files)})
        whole = records(list(open_csv(paths, given_interval, zone_of=zone_of).batches(0)))
        feed = open_csv(paths, given_interval, zone_of=zone_of, block_bytes=block)
        pieces = list(feed.batches(0, limit))
        assert records(pieces) == whole
        assert all(batch.end - batch.start <= limit for batch in pieces)
        start = data.draw(st.integers(0, len(whole)))
        rest = list(feed.batches(start, limit))
        assert records(rest) == whole[start:]
        if rest:
            assert rest[0].start == start
            gather(iter(rest))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.one_of(st.floats(-MOST, -LEAST), st.sampled_from([0.0, -0.0]), st.floats(LEAST, MOST)),
        min_size=1,
        max_size=30,
    ),
    st.booleans(),
)
def test_numbers_are_read_as_python_reads_them(values: list[float], strictly: bool) -> None:
    rows = [f"{T_NS // SECOND_NS + i},A,{v!r}" for i, v in enumerate(values)]
    rows += ["bad"] if strictly else []  # one bad row hands the block to the strict reading
    with tempfile.TemporaryDirectory() as folder:
        read = read_files(Path(folder), {"x.csv": bars(rows, "time,symbol,price")})
    got = read.ticks.close[read.ticks.kind == 0].tolist()
    assert [repr(g) for g in got] == [repr(v) for v in values]
