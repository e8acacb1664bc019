"""What can be said of Kafka's settings and headers without a broker."""

import msgspec
import pytest

from tapewatch.model.errors import InputError
from tapewatch.model.market import ShardMinutes
from tapewatch.model.secret import Secret
from tapewatch.model.ticks import DeadLetter
from tapewatch.tape.kafka_events import event_headers
from tapewatch.tape.kafka_settings import KafkaSettings
from tests.factories import make_alert

SASL = KafkaSettings(
    protocol="SASL_SSL",
    ca_file="/ca.pem",
    certificate_file="/client.pem",
    key_file="/client.key",
    key_password=Secret("open sesame"),
    mechanism="SCRAM-SHA-512",
    username="desk",
    password=Secret("hunter2"),
)


def test_secrets_reach_the_client_and_nothing_that_is_shown() -> None:
    conf = SASL.common()
    assert (conf["sasl.password"], conf["ssl.key.password"]) == ("hunter2", "open sesame")
    assert "hunter2" not in repr(SASL)
    assert "sesame" not in str(SASL)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"bootstrap": " "}, "bootstrap is empty"),
        ({"protocol": "SASL_SSL"}, "needs mechanism, username and password"),
        ({"protocol": "SSL", "username": "desk"}, "takes no credentials"),
        ({"protocol": "SSL", "certificate_file": "/c.pem"}, "go together"),
        ({"ca_file": "/ca.pem"}, "takes no certificates"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(changes: dict[str, str], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        msgspec.convert(changes, KafkaSettings)


def test_a_producer_is_idempotent_and_partitions_as_java_does() -> None:
    conf = KafkaSettings().producer(0)
    assert (conf["enable.idempotence"], conf["acks"], conf["partitioner"]) == (True, "all", "murmur2_random")


def test_an_events_headers_depend_on_the_event_alone() -> None:
    alert = make_alert(revision=2)
    stamped = msgspec.structs.replace(alert, timestamp_detection="2025-04-07T14:10:01Z")
    first, again = (event_headers("alert", msgspec.json.encode(a), "/desk") for a in (alert, stamped))
    assert first == again
    assert dict(first)["ce_id"] == f"{alert.alert_id}:2".encode()


def test_what_shards_say_of_minutes_has_the_trace_of_its_time() -> None:
    minutes = msgspec.json.encode(ShardMinutes("prices/x/0", 60, []))
    assert dict(event_headers("breadth", minutes, "/desk", lambda at: f"at {at}"))["traceparent"] == b"at 60"


def test_a_dead_letters_event_is_named_by_its_place() -> None:
    letter = DeadLetter(source="financial_prices/3", position=7, offset=7, reason="x", raw="y")
    headers = dict(event_headers("dead", msgspec.json.encode(letter), "/desk"))
    assert headers["ce_id"] == b"financial_prices/3:7"
    assert "ce_time" not in headers
