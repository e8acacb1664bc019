"""Merging opens files late and holds little; reading ahead loses no error and leaves no thread."""

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from tapewatch.feeds.csv_rows import Rows
from tapewatch.feeds.merge import Stream, merge
from tapewatch.feeds.prefetch import prefetch
from tapewatch.model.errors import InputError


def stream(opened: list[str], name: str, *chunks: list[int]) -> Stream:
    def rows() -> Iterator[Rows]:
        opened.append(name)
        for chunk in chunks:
            acting = np.array(chunk, np.int64)
            yield Rows({"n": np.full(acting.size, name)}, acting, ())

    return Stream(chunks[0][0], rows)


def test_files_that_follow_each_other_are_open_one_after_the_other() -> None:
    opened: list[str] = []
    merged = merge([stream(opened, "b", [10, 11], [12]), stream(opened, "a", [1, 2], [3])])
    assert next(merged).acting_ns.tolist() == [1, 2]
    assert opened == ["a"]
    assert np.concatenate([rows.acting_ns for rows in merged]).tolist() == [3, 10, 11, 12]


def test_equal_keys_come_in_the_order_of_the_files_across_chunks() -> None:
    opened: list[str] = []
    one, two = stream(opened, "one", [1, 5], [5, 5, 6]), stream(opened, "two", [5], [5, 7])
    merged = [
        (int(t), str(n)) for rows in merge([one, two]) for t, n in zip(rows.acting_ns, rows.columns["n"], strict=True)
    ]
    assert merged == [(1, "one"), *[(5, "one")] * 3, *[(5, "two")] * 2, (6, "one"), (7, "two")]


def test_an_error_of_the_source_comes_after_the_items_before_it() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise InputError("damaged")

    ahead = prefetch(source(), 2)
    assert next(ahead) == 1
    with pytest.raises(InputError, match="damaged"):
        next(ahead)


def test_a_reader_that_stops_early_leaves_no_thread() -> None:
    ahead = prefetch(iter(range(1000)), 1)
    assert next(ahead) == 0
    (thread,) = (t for t in threading.enumerate() if t.name == "feed-read-ahead")
    ahead.close()
    thread.join(5)
    assert not thread.is_alive()
