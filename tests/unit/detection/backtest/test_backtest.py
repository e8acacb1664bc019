"""What a backtest counts, against a market whose events are known."""

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from pypdf import PdfReader

from tapewatch.alerts.bootstrap import block_rate
from tapewatch.detection.backtest.result import BacktestResult
from tapewatch.detection.backtest.summary import difference
from tapewatch.detection.engine import Engine
from tapewatch.detection.instruments import Facts
from tapewatch.feeds.simulator import SimulatorConfig, labels, market
from tapewatch.feeds.writers import tick_frame, write_labels, write_ticks
from tapewatch.model.alerts import Alert
from tapewatch.model.errors import InputError
from tapewatch.runtime.backtest import Backtested, Side, load_labels, run_backtest
from tapewatch.runtime.backtest_report import write_backtest_report
from tapewatch.runtime.config.rules import load_preset
from tapewatch.runtime.config.settings import FeedSettings, RulesSettings
from tapewatch.runtime.embedded import build_engine, load_calibration, make_pipeline, memory_sinks, open_on_disk
from tapewatch.runtime.history import EVER_NS, open_history, span_of
from tests.unit.detection.support import COMPILED, compiled_only

CONFIG = SimulatorConfig(seed=11, stocks=3, crypto=1 if COMPILED else 0, days=3)


def side(name: str = "default") -> tuple[Side, Engine]:
    made = Side(load_preset(name), load_calibration(None))
    return made, made.engine()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated market as CSV, its labels, and the data directory of a run over it."""
    path = tmp_path_factory.mktemp("market")
    with (path / "market.csv").open("wb") as out:
        write_ticks((tick_frame(b.ticks) for b in market(CONFIG).batches(0)), out)
    with (path / "labels.csv").open("wb") as out:
        write_labels(labels(CONFIG), out)
    feed = open_history(FeedSettings(), [str(path / "market.csv")], {}, EVER_NS).feed
    assert feed is not None
    stores = open_on_disk(path / "data", "tape", lambda: 1)
    make_pipeline(feed, build_engine(RulesSettings()), stores.sinks, lambda: 1).run(feed, 5_000)
    stores.close()
    return path


@pytest.fixture(scope="module")
def done(folder: Path) -> Backtested:
    history = open_history(FeedSettings(), [str(folder / "market.csv")], {}, EVER_NS)
    return run_backtest(history, [side(), side("prototype")], load_labels(folder / "labels.csv"), 0)


@pytest.fixture(scope="module")
def result(done: Backtested) -> BacktestResult:
    return done.result


def test_it_tells_what_the_pipeline_tells(folder: Path, result: BacktestResult) -> None:
    live: list[Alert] = []
    history = open_history(FeedSettings(), [str(folder / "market.csv")], {}, EVER_NS)
    assert history.feed is not None
    make_pipeline(history.feed, side()[1], memory_sinks(), lambda: 0, live.extend).run(history.feed, 777)
    withdrawn = {a.alert_id for a in live if a.state == "retracted"}
    told = {a.incident_id for a in live if a.alert_id not in withdrawn}
    assert told and {i.incident_id for i in result.a.incidents} == told


@compiled_only
def test_the_parquet_history_of_a_run_gives_the_same(folder: Path, result: BacktestResult) -> None:
    history = open_history(FeedSettings(), [str(folder / "data")], {}, EVER_NS)
    found = run_backtest(history, [side()], None, 0).result
    assert history.total == result.records - result.a.fates["heartbeat"]
    assert [i.incident_id for i in found.a.incidents] == [i.incident_id for i in result.a.incidents]
    assert (found.symbol_days, found.first, found.last) == (result.symbol_days, result.first, result.last)


def test_sums_by_rule_symbol_and_day_agree(result: BacktestResult) -> None:
    assert result.b is not None
    assert result.symbol_days == sum(d.symbols for d in result.a.days) == sum(s.days for s in result.a.symbols)
    for told in (result.a, result.b):
        price, quality = told.price.incidents, told.data_quality.incidents
        assert len(told.incidents) == price + quality == sum(told.severities.values())
        assert sum(d.price for d in told.days) == sum(s.price for s in told.symbols) == price
        assert sum(d.data_quality for d in told.days) == sum(s.data_quality for s in told.symbols) == quality
        assert told.price.per_symbol_day == pytest.approx(price / result.symbol_days)
        assert all(r.alone <= r.incidents <= r.alerts for r in told.rules)


def test_labels_are_scored_with_exact_intervals(result: BacktestResult) -> None:
    card = result.a.score
    assert card is not None and result.labels == len(labels(CONFIG)) and result.labels_outside == 0
    assert card.recall.trials == sum(k.recall.trials for k in card.kinds) == result.labels
    assert card.recall.successes + len(card.missed) == result.labels
    assert card.recall.value is not None
    assert card.recall.successes + sum(k.late for k in card.kinds) > 0.8 * result.labels
    assert all(delay <= 60 for kind in card.kinds for delay in kind.delays_s)
    assert card.unlabelled_moved.incidents + card.unlabelled_calm.incidents == (
        card.precision["price"].trials - card.precision["price"].successes
    )
    assert card.recall.interval[0] < card.recall.value <= card.recall.interval[1]
    assert all(delay is None or delay >= -60 for delay in (k.median_delay_s for k in card.kinds))


def test_what_only_one_side_told_is_listed(result: BacktestResult) -> None:
    assert result.difference is not None and result.b is not None
    assert result.difference.both + len(result.difference.only_b) == len(result.b.incidents)
    assert set(result.difference.only_a) <= {i.incident_id for i in result.a.incidents}
    assert any(i.category == "data_quality" for i in result.a.incidents if i.incident_id in result.difference.only_a)
    same = difference(result.a.incidents, result.a.incidents)
    assert (same.both, same.only_a, same.only_b) == (len(result.a.incidents), [], [])


def test_the_result_says_that_it_is_a_backtest_and_reads_back(result: BacktestResult) -> None:
    text = msgspec.json.encode(result)
    assert text.startswith(b'{"kind":"backtest"')
    assert msgspec.json.decode(text, type=BacktestResult) == result


@compiled_only
def test_a_span_cuts_the_history_and_a_folder_without_one_is_refused(folder: Path, tmp_path: Path) -> None:
    span = span_of("2025-03-04", "2025-03-05T00:00:00Z")
    history = open_history(FeedSettings(), [str(folder / "data")], {}, span)
    found = run_backtest(history, [side()], load_labels(folder / "labels.csv"), 0).result
    inside = sum(span[0] <= label.onset_ns < span[1] for label in labels(CONFIG))
    assert (found.labels, found.labels_outside) == (inside, len(labels(CONFIG)) - inside)
    assert found.first is not None and found.first.startswith("2025-03-04")
    assert found.last is not None and found.last.startswith("2025-03-04")
    with pytest.raises(InputError, match="no tick history"):
        open_history(FeedSettings(), [str(tmp_path)], {}, EVER_NS)
    with pytest.raises(InputError, match="not both"):
        open_history(FeedSettings(), [str(folder / "data"), str(folder / "market.csv")], {}, EVER_NS)


def test_days_are_the_blocks_of_a_rate() -> None:
    rate, (low, high) = block_rate([0, 0, 8, 0], [4, 4, 4, 4])
    assert rate == 0.5 and low == 0.0 and high > 1.0
    assert block_rate([0, 0], [10, 10]) == (0.0, (0.0, 0.15))
    assert str(block_rate([], [])[0]) == "nan"


def test_the_report_says_on_every_page_that_it_is_a_backtest(folder: Path, done: Backtested) -> None:
    path = folder / "r.pdf"
    history = open_history(FeedSettings(), [str(folder / "data")], {}, EVER_NS)
    assert write_backtest_report(path, done, history) == path.stat().st_size
    pages = [" ".join(page.extract_text().split()) for page in PdfReader(path).pages]
    assert all("backtest" in page for page in pages) and "BACKTEST" in pages[0]
    text = " ".join(pages)
    assert "Against the labels" in text and "A against B" in text and "Busiest days" in text
    assert "Incidents in detail" in text
    assert "no reference for the market and the same instrument elsewhere" in text
    for rule in done.result.a.rules:
        assert f"{rule.rule} {rule.version}" in text


@compiled_only
def test_charts_show_the_same_instrument_elsewhere(folder: Path, done: Backtested) -> None:
    symbols = done.result.a.symbols
    one = {f"{s.venue}:{s.symbol}": Facts(s.symbol, s.venue, instrument="ONE", currency="USD") for s in symbols}
    path = folder / "one.pdf"
    history = open_history(FeedSettings(), [str(folder / "data")], {}, EVER_NS)
    write_backtest_report(path, replace(done, facts=one), history)
    text = " ".join(" ".join(page.extract_text().split()) for page in PdfReader(path).pages)
    assert "Chart: no reference for the market." in text, "but for this one elsewhere"


def test_a_history_without_ticks_is_a_result_that_says_so(folder: Path) -> None:
    history = open_history(FeedSettings(), [str(folder / "data")], {}, span_of("2031-01-01", None))
    empty = run_backtest(history, [side()], None, 0)
    assert empty.result.first is None and empty.result.symbol_days == 0 and empty.result.a.incidents == []
    assert write_backtest_report(folder / "empty.pdf", empty, history) > 0
    assert "no tick was judged" in PdfReader(folder / "empty.pdf").pages[0].extract_text()
