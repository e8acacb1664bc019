import io
import json
import logging
import re
from collections.abc import Iterator

import pytest

from tapewatch.model.secret import Secret
from tapewatch.runtime.config.settings import LoggingSettings
from tapewatch.runtime.logging import configure_logging
from tapewatch.runtime.tracing import traced, traceparent


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def restore() -> Iterator[None]:
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    yield
    root.setLevel(level)
    for handler in set(root.handlers) - set(handlers):
        root.removeHandler(handler)
    logging.getLogger("t.loud").setLevel(logging.NOTSET)
    logging.captureWarnings(False)


def test_a_line_is_one_json_object_where_nobody_watches() -> None:
    stream = io.StringIO()
    configure_logging(LoggingSettings(), stream=stream)
    logging.getLogger("t.x").info("read %d rows", 3, extra={"rows": 3, "file": "a.csv"})
    line = json.loads(stream.getvalue())
    assert line.pop("time").endswith("Z")
    assert line == {"level": "info", "logger": "t.x", "message": "read 3 rows", "rows": 3, "file": "a.csv"}


def test_a_terminal_gets_text() -> None:
    stream = Terminal()
    configure_logging(LoggingSettings(), stream=stream)
    logging.getLogger("t.x").warning("slow", extra={"lag_s": 2})
    assert stream.getvalue().endswith("warning t.x: slow (lag_s=2)\n")


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_secrets_are_blotted_out_wherever_they_stand(stream: io.StringIO) -> None:
    configure_logging(LoggingSettings(), secrets=["tok3n", "tok3n-longer"], stream=stream)
    nested = {"list": ["tok3n"], "secret": Secret("tok3n"), "tok3n": 1}
    try:
        raise ValueError("bad tok3n-longer")
    except ValueError:
        logging.getLogger("t").exception("GET /%s", "tok3n", extra={"url": "x/tok3n", "nested": nested})
    assert stream.getvalue().count("***") >= 5
    assert "tok3n" not in stream.getvalue() and "-longer" not in stream.getvalue()


def test_an_exception_stays_on_its_json_line() -> None:
    stream = io.StringIO()
    configure_logging(LoggingSettings(), stream=stream)
    try:
        raise ValueError("why")
    except ValueError:
        logging.getLogger("t").exception("failed")
    assert stream.getvalue().count("\n") == 1
    assert "ValueError: why" in json.loads(stream.getvalue())["exception"]


def test_levels_hold_for_all_and_for_single_loggers() -> None:
    stream = io.StringIO()
    configure_logging(LoggingSettings(level="warning", levels={"t.loud": "debug"}), stream=stream)
    logging.getLogger("t").info("no")
    logging.getLogger("t.loud").debug("yes")
    assert [json.loads(line)["message"] for line in stream.getvalue().splitlines()] == ["yes"]


def test_configuring_twice_writes_once() -> None:
    first, second = io.StringIO(), io.StringIO()
    configure_logging(LoggingSettings(), stream=first)
    configure_logging(LoggingSettings(), stream=second)
    logging.getLogger("t").info("once")
    assert first.getvalue() == "" and second.getvalue().count("\n") == 1


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_what_is_logged_about_a_record_carries_the_trace_that_its_place_gives(stream: io.StringIO) -> None:
    configure_logging(LoggingSettings(), stream=stream)
    parent = traceparent("prices/x/0", 7)
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", parent)
    assert traceparent("prices/x/0", 7) == parent
    assert len({parent[3:35], traceparent("prices/x/0", 8)[3:35], traceparent("prices/x/1", 7)[3:35]}) == 3
    with traced(parent), traced(traceparent("prices/x/0", 8)):
        logging.getLogger("t").info("inner")
    with traced(parent):
        logging.getLogger("t").info("within")
    logging.getLogger("t").info("outside")
    _, within, outside = stream.getvalue().splitlines()
    assert parent[3:35] in within
    assert "trace_id" not in outside
