import io

import pytest

from tapewatch.runtime.cli.progress import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


def test_nothing_is_written_where_there_is_no_terminal() -> None:
    stream = io.StringIO()
    with progress("Reading", total=10, stream=stream) as advance:
        advance(10)
    assert stream.getvalue() == ""


def test_nothing_is_written_when_asked_to_be_quiet() -> None:
    stream = Terminal()
    with progress("Reading", total=10, quiet=True, stream=stream) as advance:
        advance(10)
    assert stream.getvalue() == ""


def test_a_terminal_sees_what_is_done_and_how_much() -> None:
    stream = Terminal()
    with progress("Reading [a]", unit="rows", stream=stream) as advance:
        advance(total=2_500_000)
        advance(1_500_000)
        advance(1_000_000)
    assert "Reading [a]" in stream.getvalue() and "2.5M rows" in stream.getvalue()


def test_an_error_in_the_work_comes_through() -> None:
    with pytest.raises(ValueError, match="work"), progress("Reading", stream=Terminal()):
        raise ValueError("work")
