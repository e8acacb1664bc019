"""What every detector promises, checked on each of them; and an audit that fails while one is not listed, checked and
documented."""

import math
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path

import msgspec
import numpy as np
import pytest

from tapewatch.alerts.rows import DETAILS
from tapewatch.detection import detectors as package
from tapewatch.detection import registry
from tapewatch.detection.detectors import DETECTORS
from tapewatch.detection.detectors.base import Detector
from tapewatch.detection.instruments import Facts
from tapewatch.detection.layout import hot_dtype
from tapewatch.detection.rules import Rule, compile_rule, compile_rules
from tapewatch.model.errors import InputError
from tapewatch.model.instruments import Instrument
from tapewatch.model.signals import Signal
from tapewatch.model.ticks import Kind
from tests.contracts import detector_cases
from tests.contracts.detector_cases import CASES, OPEN_NS, Case, installed_cases
from tests.unit.detection.support import (
    BTC,
    NAN,
    TSLA,
    Run,
    Tick,
    bars,
    batch_of,
    beat,
    calm,
    engine_for,
    feed,
    joined,
    preset,
    row,
    run,
    watching,
)

NAMES = sorted(CASES)
HOT_ROW_BYTES = 1024
OHL = ("open", "high", "low")
HOW_TO = Path(__file__).parents[2] / "docs" / "how-to" / "add-a-detector.md"
every_detector = pytest.mark.parametrize("name", NAMES)


def known(name: str, price: float = 100.0) -> list[Facts]:
    """What the detector has to know of the instrument beforehand."""
    return [Facts(TSLA.symbol, TSLA.venue, peg=price)] if case(name).pegged else []


def judged(name: str, ticks: list[Tick], price: float = 100.0) -> Run:
    return run(watching(**{name: {}}), ticks, known(name, price))


def case(name: str) -> Case:
    return CASES[name]


def named(ticks: list[Tick]) -> list[Instrument]:
    """The instruments of a tape."""
    return list(dict.fromkeys(t.of for t in ticks if t.of is not None))


def numbers(signals: list[Signal]) -> list[tuple[object, ...]]:
    """What of a signal may not depend on the unit of the price."""
    return [(s.ts_event_ns, s.direction, s.score, s.value, s.threshold, s.change_pct) for s in signals]


def test_every_file_of_the_package_is_a_detector_and_listed() -> None:
    files = {p.stem for p in Path(package.__path__[0]).glob("*.py")} - {"__init__", "base"}
    assert files == {d.name for d in DETECTORS}
    assert set(registry.detectors()) >= files


def test_every_registered_detector_is_checked_here() -> None:
    assert set(NAMES) == set(registry.detectors())


@every_detector
def test_it_says_its_source_its_cost_and_what_it_cannot_see(name: str) -> None:
    text = registry.detector_named(name).params.__doc__ or ""
    for part in (r"Source:\s+\S", r"Cost:\s+\S", r"\bcannot\s+\S"):
        assert re.search(part, text), f"the parameters of {name} do not say {part!r}"
    assert sys.modules[registry.detector_named(name).step.__module__].__doc__


@every_detector
def test_its_layouts_are_fixed_and_its_parameters_are_checked(name: str) -> None:
    detector = registry.detector_named(name)
    assert detector.state.itemsize > 0
    assert {np.dtype(t) for t in _leaves(detector.state)} <= {np.dtype("i4"), np.dtype("i8"), np.dtype("f8")}
    assert set(detector.pack(detector.params())) == set(detector.record.names or ())
    assert ("deadline_ns" in (detector.state.names or ())) == (detector.due is not None)
    assert "provisional" not in (detector.state.names or ()) or detector.chunks
    assert 0 < len(detector.details) <= DETAILS
    with pytest.raises(InputError, match="no_such_key"):
        compile_rule(Rule(name="r", detector=name, params={"no_such_key": 1}))


def _leaves(dtype: "np.dtype[np.void]") -> Iterator["np.dtype[np.void]"]:
    for field, *_ in (dtype.fields or {}).values():
        if field.base.names:
            yield from _leaves(field.base)
        else:
            yield field.base


@every_detector
def test_it_fires_where_it_must(name: str) -> None:
    found = judged(name, case(name).positive(70, 100.0))
    assert found.fired(name)
    assert found.of(name)[0].change == "fired"


@every_detector
def test_it_is_silent_where_nothing_happens(name: str) -> None:
    assert judged(name, case(name).negative(70, 100.0)).signals == []


@every_detector
def test_it_does_not_fall_into_its_trap(name: str) -> None:
    assert judged(name, case(name).trap(70, 100.0)).signals == [], case(name).trap_is


@every_detector
def test_it_is_silent_while_it_warms_up_and_no_longer(name: str) -> None:
    warm_up = case(name).warm_up
    assert judged(name, case(name).positive(warm_up - 1, 100.0)[:warm_up]).signals == []
    assert judged(name, case(name).positive(warm_up, 100.0)).signals


@every_detector
def test_it_is_silent_on_constant_input(name: str) -> None:
    ticks = bars(TSLA, [100.0] * 300, OPEN_NS)
    assert judged(name, [*ticks, beat(ticks[-1].act_ns)]).signals == []


@every_detector
def test_unknown_volume_neither_raises_nor_reaches_a_number(name: str) -> None:
    ticks = [replace(t, volume=NAN) for t in [*case(name).positive(70, 100.0), *case(name).positive(200, 100.0)[71:]]]
    found = judged(name, ticks)
    assert all(math.isfinite(s.value) and math.isfinite(s.score) for s in found.signals)
    assert all("nan" not in a.message and a.volume is None for a in found.alerts)
    if registry.detector_named(name).category == "volume":
        assert found.signals == []


@every_detector
@pytest.mark.parametrize("factor", [2.0**-33, 2.0**23], ids=["1e-8", "1e9"])
def test_the_unit_of_the_price_changes_nothing(name: str, factor: float) -> None:
    ticks = case(name).positive(70, 100.0)
    scaled = [
        replace(t, close=t.close * factor, **{p: getattr(t, p) * factor for p in OHL if t.kind == Kind.BAR})
        for t in ticks
    ]
    assert numbers(judged(name, scaled, 100.0 * factor).fired(name)) == numbers(judged(name, ticks).fired(name))


@every_detector
@pytest.mark.parametrize("price", [1e-8, 1e9])
def test_it_works_at_extreme_prices(name: str, price: float) -> None:
    found = judged(name, case(name).positive(70, price), price)
    usual = judged(name, case(name).positive(70, 100.0))
    assert [(s.ts_event_ns, s.direction) for s in found.signals] == [
        (s.ts_event_ns, s.direction) for s in usual.signals
    ]
    assert judged(name, case(name).negative(70, price), price).signals == []


@every_detector
def test_cutting_saving_and_loading_after_every_record_changes_nothing(name: str) -> None:
    rules, ticks = watching(**{name: {}}), case(name).positive(70, 100.0)
    whole = feed(engine_for(rules, known(name)), batch_of(ticks))
    rows: dict[str, bytes] = {}
    parts = []
    for i, tick in enumerate(ticks):
        engine = engine_for(rules, known(name))
        engine.load(rows.items())
        parts.append(feed(engine, batch_of([tick], named(ticks), first=i)))
        rows |= parts[-1].rows
    assert joined(parts).told() == whole.told()
    assert rows == whole.rows


@every_detector
def test_another_symbol_changes_nothing(name: str) -> None:
    rules, ticks = watching(**{name: {}}), case(name).positive(70, 100.0)
    others = [replace(t, of=BTC, close=t.close * (1.0 + 0.1 * (i % 3))) for i, t in enumerate(ticks) if t.of == TSLA]
    both = sorted([*ticks, *others], key=lambda t: t.act_ns)
    own = named(ticks)
    alone = batch_of(both, [*own, BTC]).take(np.array([i for i, t in enumerate(both) if t.of != BTC]))
    mixed, mine = (feed(engine_for(rules, known(name)), b) for b in (batch_of(both, [BTC, *own]), alone))
    assert [s for s in mixed.signals if s.symbol == TSLA.symbol] == mine.signals
    assert [a for a in mixed.alerts if a.symbol == TSLA.symbol] == mine.alerts
    assert mine.rows.items() <= mixed.rows.items()


@every_detector
def test_it_is_deterministic(name: str) -> None:
    first, second = (judged(name, case(name).positive(70, 100.0)) for _ in range(2))
    assert first.told() == second.told()
    assert first.rows == second.rows


@every_detector
def test_what_speaks_before_a_bar_is_over_keeps_nothing_of_a_tick(name: str) -> None:
    if "provisional" not in (registry.detector_named(name).state.names or ()):
        pytest.skip("it does not")
    engine = engine_for(watching(**{name: {}}))
    feed(engine, batch_of(case(name).positive(70, 100.0)))
    at = list(registry.detectors()).index(name)
    assert not any(row(engine, TSLA)[f"r{at}"].tobytes())


@every_detector
def test_every_signal_and_every_revision_explains_itself(name: str) -> None:
    detector = registry.detector_named(name)
    found = judged(name, case(name).positive(70, 100.0))
    for signal in found.fired(name):
        assert set(signal.details) == {*detector.details, "scale_source"}
        assert (signal.statistic, signal.detector) == (detector.statistic, name)
        assert math.isfinite(signal.value)
        assert 61.0 <= signal.score <= 100.0
        assert signal.threshold != 0.0
    for alert in found.of(name):
        assert re.fullmatch(r"TSLA on XNAS \S.*[^.;]\.", alert.message), alert.message
        assert not re.search(r"\b(nan|inf|None)\b", alert.message)
        assert set(alert.details) == {*detector.details, "scale_source"}
        assert alert.margin > 0.0
        assert alert.last_ticks
        assert alert.health.bars > 0


def test_a_hot_row_of_the_default_rules_is_at_most_a_kilobyte() -> None:
    rules = preset("default").rules
    hot = hot_dtype([r.detector for r in rules], max(r.closes for r in rules))
    assert hot.itemsize <= HOT_ROW_BYTES


# ---- plug-ins ------------------------------------------------------------------------------------------------------


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Entry points of installed packages, by name; empty until the test adds some."""
    entries: dict[str, str] = {}

    def found(*, group: str) -> list[EntryPoint]:
        return [EntryPoint(n, value, group) for n, value in entries.items() if group == registry.ENTRY_POINT]

    monkeypatch.setattr(registry, "entry_points", found)
    registry.detectors.cache_clear()
    yield entries
    registry.detectors.cache_clear()


def example_of_the_how_to(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the detector of the how-to page importable, as `tapewatch_streak`."""
    code = re.search(r"```python\n(.*?)```", HOW_TO.read_text(), re.DOTALL)
    assert code
    (directory / "tapewatch_streak.py").write_text(code[1])
    monkeypatch.syspath_prepend(directory)
    sys.modules.pop("tapewatch_streak", None)


def test_an_installed_detector_judges_ticks_like_one_of_ours(
    installed: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    example_of_the_how_to(tmp_path, monkeypatch)
    installed["streak"] = "tapewatch_streak:DETECTOR"
    rules = compile_rules("mine", (Rule(name="up", detector="streak", params={"length": 5}),))
    found = run(rules, bars(TSLA, [*calm(20), 101.0, 102.0, 103.0, 104.0, 105.0, *[105.0, 104.9] * 20]))
    assert [(s.direction, s.value, s.details["ticks"]) for s in found.signals] == [
        ("rise", 5.0, 5.0),
        ("rise", 6.0, 6.0),
    ]
    assert [a.change for a in found.alerts][:2] == ["fired", "recovering"]
    assert "went the same way 5 ticks in a row, from 99.9" in found.alerts[0].message


@pytest.mark.parametrize(("brought", "refused"), [(CASES["zscore"], False), (OPEN_NS, True)])
def test_an_installed_package_brings_its_case_into_this_suite(
    monkeypatch: pytest.MonkeyPatch, brought: object, refused: bool
) -> None:
    monkeypatch.setattr(detector_cases, "MINE", brought, raising=False)
    mine = "tests.contracts.detector_cases:MINE"
    monkeypatch.setattr(detector_cases, "entry_points", lambda group: [EntryPoint("mine", mine, group)])
    if refused:
        with pytest.raises(AssertionError, match=r"'mine' of tapewatch\.detector_cases is no Case"):
            installed_cases()
    else:
        assert installed_cases() == {"mine": brought}


def test_an_entry_point_that_is_no_detector_is_refused(installed: dict[str, str]) -> None:
    installed["mine"] = "math:pi"
    with pytest.raises(InputError, match=r"'mine' \(math:pi\) is not a tapewatch Detector"):
        registry.detector_named("mine")


def test_an_entry_point_cannot_take_the_name_of_another(installed: dict[str, str]) -> None:
    installed["mine"] = "tapewatch.detection.detectors.zscore:DETECTOR"
    with pytest.raises(InputError, match="'zscore' exists already"):
        registry.detectors()


def test_an_unknown_detector_is_refused_with_the_nearest_name(installed: dict[str, str]) -> None:
    with pytest.raises(InputError, match=r"unknown detector 'zscor'; did you mean 'zscore'\?"):
        registry.detector_named("zscor")
    with pytest.raises(InputError, match="known are bad_print, band_proximity"):
        registry.detector_named("qqqq")


def test_the_registry_gives_detectors() -> None:
    assert all(isinstance(d, Detector) for d in registry.detectors().values())
    assert msgspec.to_builtins(registry.detector_named("zscore").params())["window"] == 20
