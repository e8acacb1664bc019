import asyncio
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewatch.model.alerts import Alert
from tapewatch.web.api.change_log import PAGE, PageReader, find_head, make_entry, seq_of, without_holes
from tests.factories import make_alert

ALERT = make_alert()


class Log:
    """A change log of `length` entries, of which the first `gone` were removed; counts its reads."""

    def __init__(self, length: int, gone: int = 0) -> None:
        self.length, self.gone, self.reads = length, gone, 0
        self._lock = threading.Lock()

    def read(self, after: int, limit: int) -> list[tuple[int, Alert]]:
        with self._lock:
            self.reads += 1
        first = max(after, self.gone) + 1
        return [(seq, ALERT) for seq in range(first, min(self.length, first + limit - 1) + 1)]


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_the_newest_change_is_found_in_few_reads_whatever_was_removed(length: int, gone: int, known: int) -> None:
    log = Log(length, gone)
    assert find_head(log.read, known) == (length if gone < length else 0), "of a log without entries nothing is known"
    assert log.reads < 70


@given(st.integers(1, (1 << 62) - 1))
def test_an_event_id_gives_its_number_back(seq: int) -> None:
    assert seq_of(make_entry(seq, ALERT).id) == seq


@given(st.text(max_size=60))
def test_whatever_else_is_sent_as_an_event_id_is_none(text: str) -> None:
    seq = seq_of(text)
    assert seq is None or make_entry(seq, ALERT).id != text


def test_the_id_of_another_log_is_another_id() -> None:
    assert make_entry(5, ALERT).id != make_entry(5, make_alert(revision=2)).id


def test_many_who_come_back_together_cost_one_read_a_page() -> None:
    log = Log(10 * PAGE)

    async def come_back() -> None:
        reader = PageReader(log.read)
        pages = await asyncio.gather(*(reader.from_seq(4 * PAGE + 1 + k % 50) for k in range(500)))
        assert all(page[0].seq == 4 * PAGE + 1 + k % 50 for k, page in enumerate(pages))
        await asyncio.gather(*(reader.from_seq(4 * PAGE + 7) for _ in range(500)))

    asyncio.run(come_back())
    assert log.reads == 1


def test_the_last_page_is_read_anew_for_it_still_grows() -> None:
    log = Log(PAGE + 3)

    async def twice() -> None:
        reader = PageReader(log.read)
        assert len(await reader.from_seq(PAGE + 1)) == 3
        log.length += 2
        assert len(await reader.from_seq(PAGE + 1)) == 5

    asyncio.run(twice())


def test_one_who_leaves_does_not_end_the_read_of_the_others() -> None:
    log = Log(PAGE)

    async def leave() -> None:
        reader = PageReader(log.read)
        tasks = [asyncio.create_task(reader.from_seq(1)) for _ in range(3)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        assert [len(page) for page in await asyncio.gather(*tasks[1:])] == [PAGE, PAGE]
        with pytest.raises(asyncio.CancelledError):
            await tasks[0]

    asyncio.run(leave())


def test_holes_are_seen_before_and_between() -> None:
    entries = [make_entry(seq, ALERT) for seq in (5, 6, 7)]
    assert without_holes(entries, 4)
    assert not without_holes(entries, 3)
    assert not without_holes([entries[0], entries[2]], 4)
