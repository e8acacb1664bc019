"""Kafka's errors are named by what the caller must do: mend the call, mend the settings, or come again."""

import pytest
from confluent_kafka import KafkaError

from tapewatch.model.errors import DeniedError, InputError, RetryableError, TapewatchError
from tapewatch.tape.kafka_errors import as_ours


@pytest.mark.parametrize(
    ("code", "kind", "says"),
    [
        (KafkaError._AUTHENTICATION, DeniedError, "refused the credentials"),
        (KafkaError.SASL_AUTHENTICATION_FAILED, DeniedError, "refused the credentials"),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, DeniedError, "may not use the topic"),
        (KafkaError.UNKNOWN_TOPIC_OR_PART, InputError, "no such topic"),
        (KafkaError._TRANSPORT, RetryableError, ""),
    ],
)
def test_what_the_caller_must_do(code: int, kind: type[TapewatchError], says: str) -> None:
    error = as_ours(KafkaError(code), "reading trades/0")
    assert type(error) is kind
    assert str(error).startswith("reading trades/0: ")
    assert says in str(error)
