"""Kafka's errors, named by what the caller must do."""

from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import KafkaError, KafkaException

from tapewatch.model.errors import DeniedError, GiveUpError, InputError, RetryableError, TapewatchError

_WRONG = {
    KafkaError.UNKNOWN_TOPIC_OR_PART: "there is no such topic or partition",
    KafkaError._UNKNOWN_TOPIC: "there is no such topic",
    KafkaError._UNKNOWN_PARTITION: "there is no such partition",
    KafkaError.MSG_SIZE_TOO_LARGE: "a message is larger than the topic takes",
    KafkaError._INVALID_ARG: "a setting is not valid",
}
_DENIED = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "these credentials may not use the topic",
    KafkaError.GROUP_AUTHORIZATION_FAILED: "these credentials may not use the consumer group",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "these credentials may not do this",
    KafkaError.SASL_AUTHENTICATION_FAILED: "the broker refused the credentials",
    KafkaError._AUTHENTICATION: "the broker refused the credentials",
}


class OffsetGoneError(GiveUpError):
    """The log no longer reaches back to the offset: the messages up to `first` are lost to retention."""

    def __init__(self, name: str, offset: int, first: int) -> None:
        super().__init__(f"{name}: offset {offset} is gone, the log begins at {first}; retention is too short")
        self.first = first


class LogShorterError(InputError):
    """The log ends before the offset: nobody has written so much, or the broker has lost what it had acknowledged."""

    def __init__(self, name: str, offset: int, end: int) -> None:
        super().__init__(
            f"{name}: offset {offset} is outside of the log, which ends at {end}; where that was read once, the broker"
            f" has lost what it had acknowledged (a power cut with one replica?)"
        )
        self.end = end


def as_ours(error: KafkaError, what: str) -> TapewatchError:
    """The error to be raised; `what` names what was tried on what. A broker that is away is RetryableError."""
    code = error.code()
    if code in _DENIED:
        return DeniedError(f"{what}: {_DENIED[code]}")
    return InputError(f"{what}: {_WRONG[code]}") if code in _WRONG else RetryableError(f"{what}: {error.str()}")


@contextmanager
def reported(what: str) -> Iterator[None]:
    """Raise ours for theirs."""
    try:
        yield
    except KafkaException as error:
        raise as_ours(error.args[0], what) from error
