"""What is known beforehand: an announced split is no move, an announced halt no silence; mistakes are named."""

import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from tapewatch.detection.engine import Engine
from tapewatch.detection.instruments import Facts, Split, read_instruments
from tapewatch.model.errors import InputError
from tapewatch.model.times import HOUR_NS, MINUTE_NS, format_rfc3339
from tests.unit.detection.support import (
    OPEN_NS,
    TSLA,
    Run,
    Tick,
    bars,
    batch_of,
    beat,
    calibration,
    calm,
    engine_for,
    feed,
    preset,
    row,
    watching,
)

AT_NS = OPEN_NS + 70 * MINUTE_NS


def facts(**more: object) -> dict[str, object]:
    return {"instruments": [{"symbol": "TSLA", "venue": "XNAS", **more}]}


def engine(**more: object) -> Engine:
    known = read_instruments(facts(**more), "facts.toml")
    return Engine(preset("default"), msgspec.structs.replace(calibration(), instruments=known))


def judged(ticks: list[Tick], **more: object) -> Run:
    return feed(engine(**more), batch_of(ticks, [TSLA]))


def halved() -> list[Tick]:
    before, after = bars(TSLA, calm(70), OPEN_NS), bars(TSLA, calm(30, 50.0), AT_NS)
    return [*before, *after]


def test_an_announced_split_is_no_move_and_one_that_nobody_announced_is_told() -> None:
    split = {"at": format_rfc3339(AT_NS), "ratio": 2.0}
    assert judged(halved(), splits=[split]).signals == []
    assert judged(halved()).signals


def test_a_split_takes_effect_once_whatever_the_cut() -> None:
    split = [{"at": format_rfc3339(AT_NS), "ratio": 2.0}]
    whole = judged(halved(), splits=split)
    cut = engine(splits=split)
    rows: dict[str, bytes] = {}
    for i, tick in enumerate(halved()):
        rows |= feed(cut, batch_of([tick], [TSLA], first=i)).rows
    assert rows == whole.rows


def test_silence_in_an_announced_halt_is_no_dead_feed() -> None:
    ticks = [*bars(TSLA, calm(70), OPEN_NS), beat(AT_NS + HOUR_NS)]
    halt = {"begin": format_rfc3339(AT_NS), "end": format_rfc3339(AT_NS + 2 * HOUR_NS)}
    assert [s.rule for s in judged(ticks).signals] == ["stale_feed"]
    assert judged(ticks, halts=[halt]).signals == []


def test_no_return_is_taken_over_an_announced_halt() -> None:
    ticks = [*bars(TSLA, calm(70), OPEN_NS), *bars(TSLA, calm(30, 106.0), AT_NS + 10 * MINUTE_NS)]
    halt = {"begin": format_rfc3339(AT_NS), "end": format_rfc3339(AT_NS + 10 * MINUTE_NS)}
    assert {"price_move_1m", "price_move_5m"} & {s.rule for s in judged(ticks).signals}
    assert judged(ticks, halts=[halt]).signals == []


def test_a_price_that_halves_over_an_announced_halt_of_minutes_is_no_split_and_no_night() -> None:
    minutes = 10 * MINUTE_NS
    ticks = [*bars(TSLA, calm(70), OPEN_NS), *bars(TSLA, calm(30, 50.0), AT_NS + minutes)]
    halt = {"begin": format_rfc3339(AT_NS), "end": format_rfc3339(AT_NS + minutes)}
    told = {s.rule for s in judged(ticks, halts=[halt]).signals}
    assert not told & {"suspected_split", "overnight_gap"}


def test_means_are_those_of_restated_prices_from_the_split_on() -> None:
    known = [Facts("TSLA", "XNAS", splits=(Split(format_rfc3339(AT_NS), 2.0),))]
    rules = watching(
        sma={"params": {"window": 20, "pct": 10.0, "high_pct": 20.0, "critical_pct": 30.0}, "alert": "each"}
    )
    ticks = halved()
    assert feed(engine_for(rules), batch_of(ticks, [TSLA])).alerts
    assert feed(engine_for(rules, known), batch_of(ticks, [TSLA])).alerts == []


def test_the_currency_of_an_alert_is_that_of_the_file() -> None:
    assert {a.currency for a in judged(halved()).alerts} == {"USD"}
    assert {a.currency for a in judged(halved(), currency="CHF").alerts} == {"CHF"}


def test_facts_change_the_fingerprint_and_the_tick_size_is_that_of_the_file() -> None:
    assert engine(tick=0.01).fingerprint != engine(tick=0.05).fingerprint
    made = engine(tick=0.05)
    assert made._group_table[made._table.groups[made._table.slot(TSLA)]]["tick"] == 0.05
    assert row(made, TSLA).head.count == 0


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"ticks": 1}, "ticks"),
        ({"tick": -1.0}, "must not be negative"),
        ({"splits": [{"at": "2025-01-01T00:00:00Z", "ratio": 0.0}]}, "ratio of a split"),
        ({"halts": [{"begin": "2025-01-02T00:00:00Z", "end": "2025-01-01T00:00:00Z"}]}, "ends before it begins"),
    ],
)
def test_mistakes_are_named(more: dict[str, object], told: str) -> None:
    with pytest.raises(InputError, match=told):
        read_instruments(facts(**more), "facts.toml")


def test_an_unknown_group_is_named() -> None:
    with pytest.raises(InputError, match="no group 'etf'"):
        engine(group="etf")


def test_the_example_of_the_how_to_page_is_read_and_used() -> None:
    page = (Path(__file__).parents[3] / "docs" / "how-to" / "know-instruments.md").read_text()
    block = re.search(r"```toml\n(.*?)```", page, re.DOTALL)
    assert block
    known = read_instruments(tomllib.loads(block[1]), "know-instruments.md")
    assert known["bitmex:XBTUSD"].instrument == "BTC/USD"
    of = calibration()
    assert {of.group_name(TSLA), *(f.group for f in known.values() if f.group)} <= set(of.groups)
    assert len(known["XNAS:TSLA"].splits) == len(known["XNAS:TSLA"].halts) == 1
