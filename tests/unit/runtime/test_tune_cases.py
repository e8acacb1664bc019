"""What people made of alerts of a real run is what tuning is told to find, or to leave alone."""

from pathlib import Path

import pytest

from tapewatch.detection.tuning.tune import Task, tune
from tapewatch.feeds.simulator import SimulatorConfig, market
from tapewatch.model.alerts import Alert, Case, Disposition
from tapewatch.model.errors import InputError
from tapewatch.runtime.config.rules import load_preset
from tapewatch.runtime.config.settings import RulesSettings
from tapewatch.runtime.embedded import build_engine, load_calibration, make_pipeline, open_on_disk
from tapewatch.runtime.tune import dispositions
from tapewatch.web.api import casework
from tapewatch.web.api.casework import Deed

CONFIG = SimulatorConfig(seed=11, stocks=3, crypto=0, days=3)


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Alert]]:
    """The data directory of a run, and its price alerts: every other one closed as news, the rest as expected."""
    folder = tmp_path_factory.mktemp("data")
    told: dict[str, Alert] = {}
    stores = open_on_disk(folder, "tape", lambda: 1)
    pipeline = make_pipeline(
        market(CONFIG),
        build_engine(RulesSettings()),
        stores.sinks,
        lambda: 1,
        lambda alerts: told.update((a.alert_id, a) for a in alerts),
    )
    pipeline.run(market(CONFIG), 50_000)
    for at, alert in enumerate(told.values()):
        said: Disposition = "news" if at % 2 == 0 else "expected"
        stores.sinks.cases.put(*casework.close(said, None)(Case(alert_id=alert.alert_id, version=0), Deed("a", "a", 2)))
    stores.close()
    return folder, [a for a in told.values() if a.category != "data_quality"]


def test_dispositions_become_labels_to_find_and_noise_to_leave(closed: tuple[Path, list[Alert]]) -> None:
    folder, alerts = closed
    useful, noise = dispositions(folder)
    assert useful and noise
    assert {label.note for label in (*useful, *noise)} == {a.alert_id for a in alerts}
    assert {label.kind for label in useful} == {"news"} and {label.kind for label in noise} == {"expected"}
    onsets = {a.alert_id: (a.symbol, a.onset_ns, a.direction) for a in alerts}
    for label in (*useful, *noise):
        assert (label.symbol, label.onset_ns, label.direction) == onsets[label.note]


def test_tuning_finds_what_was_news_and_counts_what_was_expected(closed: tuple[Path, list[Alert]]) -> None:
    useful, noise = dispositions(closed[0])
    history = [b.ticks for b in market(CONFIG).batches(0)]
    task = Task(load_preset("default").rules, load_calibration(None), "mine", 5.0, useful, noise, 0.0)
    tuning = tune(task, history).tuning
    (stocks,) = tuning.groups
    assert stocks.labels == len(useful) and 0 < stocks.found <= len(useful)
    assert sum(row.before().noise for row in tuning.rules) > 0


def test_a_folder_without_data_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=tmp_path.name):
        dispositions(tmp_path)
