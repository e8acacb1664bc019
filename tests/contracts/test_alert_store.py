"""What every AlertStore promises."""

import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tapewatch.alerts.incidents import News, fold
from tapewatch.model.alerts import SEVERITIES, Alert
from tapewatch.model.errors import InputError
from tapewatch.model.times import MINUTE_NS
from tapewatch.stores.elasticsearch import (
    BulkWriter,
    ElasticAlertStore,
    ElasticSettings,
    Refused,
    connect,
    ensure_indices,
)
from tapewatch.stores.memory import MemoryAlertStore
from tapewatch.stores.port import AlertQuery, AlertStore
from tapewatch.stores.sqlite import Database, SqliteAlertStore
from tests.factories import ONSET_NS, make_alert, make_alerts, make_signal


class NewsStore(AlertStore, Protocol):
    """An alert store that also tells what people must be told."""

    def news(self, after: int, limit: int) -> list[News]: ...


@pytest.fixture(params=["memory", "sqlite"])
def numbered(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NewsStore]:
    """A store that has numbers for all revisions; Elasticsearch has none."""
    yield from _numbered(request.param, tmp_path)


ALL = ["memory", "sqlite", pytest.param("elasticsearch", marks=pytest.mark.cluster)]


@pytest.fixture(params=ALL)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AlertStore]:
    yield from _store(request, tmp_path)


@pytest.fixture(params=ALL, scope="module")
def market(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AlertStore]:
    """A store with `make_alerts(120)`, only to be read."""
    for store in _store(request, tmp_path_factory.mktemp("market")):
        store.upsert(make_alerts(120), [])
        yield store


def _store(request: pytest.FixtureRequest, folder: Path) -> Iterator[AlertStore]:
    if request.param == "elasticsearch":
        yield from _elastic(request.getfixturevalue("elasticsearch_server").address)
    else:
        yield from _numbered(request.param, folder)


def _numbered(kind: str, folder: Path) -> Iterator[NewsStore]:
    if kind == "memory":
        yield MemoryAlertStore()
        return
    database = Database(folder / "db.sqlite")
    yield SqliteAlertStore(database, lambda: ONSET_NS)
    database.close()


def _elastic(url: str) -> Iterator[AlertStore]:
    client = connect(ElasticSettings((url,)))
    prefix, refused = f"{uuid.uuid4().hex}-", list[Refused]()
    ensure_indices(client, prefix, only=("alerts", "incidents", "signals"))
    yield ElasticAlertStore(client, BulkWriter(client, refused.append), prefix=prefix, refresh="true")
    assert refused == []
    names = client.indices.get(index=f"{prefix}*", features="aliases")
    client.indices.delete(index=",".join(names))
    client.close()


def _next(alert: Alert, **changed: object) -> Alert:
    return msgspec.structs.replace(alert, revision=alert.revision + 1, **changed)


def test_an_alert_comes_back_as_it_was_written(store: AlertStore) -> None:
    alert, signal = make_alert(), make_signal()
    assert store.upsert([alert], [signal]) == [alert]
    assert store.page(AlertQuery()) == [alert]
    assert store.signals(AlertQuery()) == [signal]
    assert store.incidents(AlertQuery()) == [fold([alert])]


def test_only_revisions_above_the_stored_one_take_effect(store: AlertStore) -> None:
    first = make_alert()
    second, third = _next(first), _next(_next(first))
    assert store.upsert([second], []) == [second]
    assert store.upsert([first, second], []) == []
    assert store.upsert([second, third, third, first], []) == [third]
    assert store.page(AlertQuery()) == [third]


def test_several_revisions_in_one_call_take_effect_one_after_the_other(store: AlertStore) -> None:
    first = make_alert()
    second = _next(first, state="resolved", change="resolved")
    assert store.upsert([first, second], []) == [first, second]
    assert store.page(AlertQuery()) == [second]


def test_a_signal_is_written_once(store: AlertStore) -> None:
    signal = make_signal()
    store.upsert([], [signal, signal])
    store.upsert([], [msgspec.structs.replace(signal, timestamp_detection="2025-04-07T14:11:00Z")])
    assert store.signals(AlertQuery()) == [signal]


def test_every_revision_that_took_effect_is_a_change(numbered: NewsStore) -> None:
    first = make_alert()
    second, third = _next(first), _next(_next(first))
    numbered.upsert([second], [])
    numbered.upsert([first, second, third, third], [])
    assert numbered.changes(0, 10) == [(1, second), (2, third)]


def test_changes_are_numbered_from_one_without_holes(numbered: NewsStore) -> None:
    store = numbered
    alerts = make_alerts(30)
    for alert in alerts:
        store.upsert([alert, alert], [])
    changes = store.changes(0, 100)
    assert [seq for seq, _ in changes] == list(range(1, 31))
    assert [alert for _, alert in changes] == alerts
    assert store.changes(10, 5) == changes[10:15]
    assert store.changes(30, 5) == []


@pytest.mark.parametrize("newest_first", [True, False])
def test_pages_follow_each_other_in_a_stable_order_without_gaps_or_repeats(
    store: AlertStore, newest_first: bool
) -> None:
    # Many alerts of one onset: the order must hold among them as well.
    alerts = make_alerts(60, days=0.01)
    store.upsert(alerts, [])
    seen: list[Alert] = []
    after = None
    while page := store.page(AlertQuery(limit=7, after=after, newest_first=newest_first)):
        seen += page
        after = (page[-1].onset_ns, page[-1].alert_id)
    assert seen == sorted(alerts, key=lambda a: (a.onset_ns, a.alert_id), reverse=newest_first)


def test_times_are_inclusive_below_and_exclusive_above(store: AlertStore) -> None:
    alerts = [make_alert(onset_ns=ONSET_NS + i * MINUTE_NS) for i in range(4)]
    store.upsert(alerts, [])
    query = AlertQuery(from_ns=ONSET_NS + MINUTE_NS, to_ns=ONSET_NS + 3 * MINUTE_NS, newest_first=False)
    assert store.page(query) == alerts[1:3]


@pytest.mark.parametrize(
    "query",
    [
        AlertQuery(venue="binance"),
        AlertQuery(symbol="BTC/USDT"),
        AlertQuery(symbol=""),
        AlertQuery(symbol="' OR 1=1 --"),
        AlertQuery(severity=["critical"]),
        AlertQuery(severity=[]),
        AlertQuery(rule=["price_move", "bad_print"], direction=["drop"]),
        AlertQuery(state=["firing", "recovering"], category=["price"], newest_first=False),
        AlertQuery(symbol="TSLA", severity=["high"], state=["resolved"]),
        AlertQuery(alert_id=make_alerts(120)[5].alert_id),
        AlertQuery(alert_id=make_alerts(120)[5].alert_id, state=["nothing is in it"]),
        AlertQuery(incident_id=make_alerts(120)[5].incident_id, symbol=make_alerts(120)[5].symbol),
        AlertQuery(alert_type=["stale_feed", "rise"]),
        AlertQuery(limit=0),
        AlertQuery(limit=3, severity=["medium", "high"]),
        AlertQuery(from_ns=-(2**70), to_ns=2**70),
        AlertQuery(from_ns=ONSET_NS, to_ns=ONSET_NS),
    ],
)
def test_filters_combine_and_mean_what_the_fields_say(market: AlertStore, query: AlertQuery) -> None:
    wanted = [a for a in make_alerts(120) if _wanted(query, a)]
    wanted.sort(key=lambda a: (a.onset_ns, a.alert_id), reverse=query.newest_first)
    assert market.page(query) == wanted[: query.limit]


def _wanted(query: AlertQuery, alert: Alert) -> bool:
    for name in ("venue", "symbol", "incident_id", "alert_id"):
        if getattr(query, name) is not None and getattr(query, name) != getattr(alert, name):
            return False
    for name in ("severity", "rule", "direction", "state", "category", "alert_type"):
        if getattr(query, name) is not None and getattr(alert, name) not in getattr(query, name):
            return False
    below = query.from_ns is not None and alert.onset_ns < query.from_ns
    above = query.to_ns is not None and alert.onset_ns >= query.to_ns
    return not below and not above


@pytest.fixture(scope="module")
def filled() -> Iterator[tuple[Sequence[Alert], NewsStore]]:
    import tempfile

    alerts = make_alerts(400, days=0.3)
    with tempfile.TemporaryDirectory() as directory:
        database = Database(Path(directory) / "db.sqlite")
        store = SqliteAlertStore(database, lambda: ONSET_NS)
        store.upsert(alerts, [])
        yield alerts, store
        database.close()


def _some(values: Sequence[str]) -> st.SearchStrategy[list[str] | None]:
    return st.none() | st.lists(st.sampled_from(values), min_size=1, max_size=2)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.builds(
        AlertQuery,
        from_ns=st.none() | st.integers(ONSET_NS - MINUTE_NS, ONSET_NS + 600 * MINUTE_NS),
        to_ns=st.none() | st.integers(ONSET_NS - MINUTE_NS, ONSET_NS + 600 * MINUTE_NS),
        symbol=st.none() | st.sampled_from(["TSLA", "BTC/USDT", "NONE"]),
        severity=_some(SEVERITIES),
        rule=_some(["price_move", "robust_return", "stale_feed"]),
        direction=_some(["rise", "drop", "none"]),
        alert_type=_some(["rise", "drop", "stale_feed"]),
        state=_some(["firing", "resolved"]),
        newest_first=st.booleans(),
        limit=st.integers(1, 30),
    ),
    st.none() | st.integers(0, 399),
)
def test_any_combination_of_filters_with_any_cursor_gives_what_a_plain_filter_gives(
    filled: tuple[Sequence[Alert], NewsStore], query: AlertQuery, cursor: int | None
) -> None:
    alerts, store = filled
    wanted = sorted((a for a in alerts if _wanted(query, a)), key=_position, reverse=query.newest_first)
    if cursor is not None:
        after = _position(alerts[cursor])
        query = msgspec.structs.replace(query, after=after)
        wanted = [a for a in wanted if (_position(a) < after if query.newest_first else _position(a) > after)]
    assert store.page(query) == wanted[: query.limit]


def _position(alert: Alert) -> tuple[int, str]:
    return alert.onset_ns, alert.alert_id


def test_an_alert_is_found_by_its_newest_state_only(store: AlertStore) -> None:
    alert = make_alert()
    store.upsert([alert], [])
    store.upsert([_next(alert, state="resolved")], [])
    assert store.page(AlertQuery(state=["firing"])) == []
    assert len(store.page(AlertQuery(state=["resolved"]))) == 1


def test_signals_are_filtered_and_paged_by_their_tick(store: AlertStore) -> None:
    signals = [make_signal(ts_event_ns=ONSET_NS + i * MINUTE_NS, alert_id="a" if i % 2 else None) for i in range(6)]
    store.upsert([make_alert(alert_id="a", incident_id="i")], [*signals, make_signal(symbol="AAPL", score=95.0)])
    assert store.signals(AlertQuery(alert_id="a", newest_first=False)) == signals[1::2]
    assert store.signals(AlertQuery(incident_id="i", newest_first=False)) == signals[1::2]
    assert store.signals(AlertQuery(incident_id="another")) == []
    assert [s.symbol for s in store.signals(AlertQuery(severity=["critical"]))] == ["AAPL"]
    after = (signals[2].ts_event_ns, signals[2].signal_id)
    assert store.signals(AlertQuery(symbol="TSLA", newest_first=False, limit=2, after=after)) == signals[3:5]


@pytest.mark.parametrize("query", [AlertQuery(state=["firing"]), AlertQuery(category=["price"])])
def test_signals_are_not_filtered_by_what_they_have_not_got(market: AlertStore, query: AlertQuery) -> None:
    with pytest.raises(InputError, match="signals have no"):
        market.signals(query)


def test_an_incident_is_the_fold_of_its_newest_alerts(store: AlertStore) -> None:
    one = make_alert(incident_id="i")
    two = make_alert(incident_id="i", rule="robust_return", score=93.0, onset_ns=ONSET_NS + MINUTE_NS)
    store.upsert([one], [])
    store.upsert([two, _next(one, state="resolved")], [])
    (incident,) = store.incidents(AlertQuery())
    assert incident == fold([_next(one, state="resolved"), two])
    assert (incident.state, incident.open_alerts, incident.severity) == ("open", 1, "critical")
    store.upsert([_next(two, state="resolved")], [])
    (incident,) = store.incidents(AlertQuery(state=["resolved"]))
    assert incident.open_alerts == 0
    assert store.incidents(AlertQuery(state=["open"])) == []


def test_an_incident_that_began_with_volume_is_found_by_prices_once_an_alert_is_about_them(store: AlertStore) -> None:
    volume = make_alert(incident_id="i", alert_id="a", rule="volume_spike", category="volume")
    store.upsert([volume], [])
    assert [i.category for i in store.incidents(AlertQuery(category=["volume"]))] == ["volume"]
    store.upsert([make_alert(incident_id="i", alert_id="b")], [])
    assert [i.category for i in store.incidents(AlertQuery(category=["price"]))] == ["price"]
    assert store.incidents(AlertQuery(category=["volume"])) == []


def test_incidents_are_found_by_what_their_alerts_are(store: AlertStore) -> None:
    alerts = [
        make_alert(incident_id="i", rule="price_move"),
        make_alert(incident_id="i", rule="robust_return"),
        make_alert(incident_id="j", rule="price_move", symbol="AAPL", onset_ns=ONSET_NS + MINUTE_NS),
    ]
    store.upsert(alerts, [])

    def found(**filters: object) -> list[str]:
        query = msgspec.structs.replace(AlertQuery(newest_first=False), **filters)
        return [incident.incident_id for incident in store.incidents(query)]

    assert found() == ["i", "j"]
    assert found(rule=["robust_return"]) == ["i"]
    assert found(rule=["price_move"]) == ["i", "j"]
    assert found(rule=["sma"]) == []
    assert found(alert_type=[alerts[0].alert_type]) == ["i", "j"]
    assert found(alert_type=["halt"]) == []
    assert found(symbol="AAPL") == ["j"]
    assert found(alert_id=alerts[1].alert_id) == ["i"]
    assert found(alert_id="unknown") == []
    assert found(incident_id="j") == ["j"]
    assert found(limit=1, after=(ONSET_NS, "i")) == ["j"]


def test_an_incident_is_news_when_it_opens_worsens_and_resolves(numbered: NewsStore) -> None:
    store = numbered
    alert = make_alert(score=65.0)
    steps = [
        alert,
        _next(alert, score=66.0),
        _next(_next(alert), score=80.0, severity="high"),
        _next(_next(_next(alert)), score=80.0, severity="high", state="resolved"),
    ]
    for step in steps:
        store.upsert([step], [])
    news = store.news(0, 10)
    assert [(n.seq, n.event, n.alert.revision) for n in news] == [
        (1, "opened", 1),
        (3, "worsened", 3),
        (4, "resolved", 4),
    ]
    assert [n.incident for n in news] == [fold([steps[0]]), fold([steps[2]]), fold([steps[3]])]
    assert store.news(1, 1) == news[1:2]


def test_news_do_not_depend_on_how_revisions_are_cut_into_calls(numbered: NewsStore) -> None:
    store = numbered
    alert = make_alert(score=65.0)
    store.upsert([alert, _next(alert, score=80.0, severity="high"), _next(_next(alert), state="resolved")], [])
    assert [n.event for n in store.news(0, 10)] == ["opened", "worsened", "resolved"]


def test_many_small_steps_that_add_up_are_news(numbered: NewsStore) -> None:
    store = numbered
    alert = make_alert(peak_change_pct=-2.0)
    store.upsert([alert], [])
    for peak in (-2.4, -2.8, -3.2):
        alert = _next(alert, peak_change_pct=peak)
        store.upsert([alert], [])
    assert [(n.event, n.incident.peak_change_pct) for n in store.news(0, 10)] == [("opened", -2.0), ("worsened", -3.2)]
