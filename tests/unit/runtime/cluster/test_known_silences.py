"""The silences that the notifier knows while Elasticsearch does not tell it of any."""

import logging
from typing import cast

import pytest

from tapewatch.alerts.matching import Matcher
from tapewatch.alerts.silences import Silence
from tapewatch.model.errors import GiveUpError, InputError, RetryableError, TapewatchError
from tapewatch.runtime.cluster.sinks.notify_process import KnownSilences
from tapewatch.stores.elasticsearch import ElasticCaseStore
from tests.factories import ONSET_NS

SILENCE = Silence(silence_id="s", owner="m", reason="r", expires_ns=ONSET_NS, match=Matcher(symbols=("TSLA",)))


class Store:
    """Answers with its silence, or with its error while it has one."""

    error: TapewatchError | None = None

    def silences(self) -> list[Silence]:
        if self.error is not None:
            raise self.error
        return [SILENCE]


@pytest.mark.parametrize("error", [RetryableError("down"), InputError("credentials"), GiveUpError("refused")])
def test_whatever_elasticsearch_says_the_known_silences_stay_and_each_outage_is_told_once(
    error: TapewatchError, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    store = Store()
    known = KnownSilences(cast(ElasticCaseStore, store), lambda: None)
    known.look()
    for _ in range(2):
        store.error = error
        known.look()
        known.look()
        store.error = None
        known.look()
    assert known() == (SILENCE,)
    assert [record.getMessage() for record in caplog.records] == [f"silences are as of the last look: {error}"] * 2


def test_an_index_that_cannot_be_made_is_made_at_a_later_look() -> None:
    refusals = [InputError("credentials")]

    def prepare() -> None:
        if refusals:
            raise refusals.pop()

    known = KnownSilences(cast(ElasticCaseStore, Store()), prepare)
    known.look()
    assert known() == ()
    known.look()
    assert known() == (SILENCE,)
