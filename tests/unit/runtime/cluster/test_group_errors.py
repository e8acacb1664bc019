"""What a member of the consumer group makes of what the broker says of it."""

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from tapewatch.model.errors import CommitRefusedError, InputError, RetryableError
from tapewatch.runtime.cluster import group
from tapewatch.runtime.config.detect import BridgeSection
from tapewatch.tape.kafka_settings import KafkaSettings


class Said:
    """A message that is none."""

    def __init__(self, code: int) -> None:
        self._code = code

    def error(self) -> KafkaError:
        return KafkaError(self._code)


class Refusing:
    """A consumer whose calls end with a code."""

    def __init__(self, code: int) -> None:
        self._code = code

    def subscribe(self, topics: list[str], **callbacks: object) -> None:
        pass

    def poll(self, timeout: float) -> Said:
        return Said(self._code)

    def commit(self, *, offsets: list[TopicPartition], asynchronous: bool) -> None:
        raise KafkaException(KafkaError(self._code))


def member(monkeypatch: pytest.MonkeyPatch, code: int) -> group.GroupMember:
    monkeypatch.setattr(group, "Consumer", lambda conf: Refusing(code))
    ignore = lambda *arguments: None  # noqa: E731
    return group.GroupMember(KafkaSettings("127.0.0.1:1"), BridgeSection(), ["t"], ignore, ignore)


@pytest.mark.parametrize("code", [KafkaError.ILLEGAL_GENERATION, KafkaError.STALE_MEMBER_EPOCH])
def test_a_member_that_has_yet_to_hear_of_a_rebalance_tries_again(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    with pytest.raises(RetryableError):
        member(monkeypatch, code).commit(TopicPartition("t", 0, 5))


@pytest.mark.parametrize("code", [KafkaError.UNKNOWN_MEMBER_ID, KafkaError.FENCED_MEMBER_EPOCH])
def test_who_is_put_out_of_the_group_is_refused(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    with pytest.raises(CommitRefusedError, match="member"):
        member(monkeypatch, code).commit(TopicPartition("t", 0, 5))


def test_who_stood_still_for_too_long_joins_again(monkeypatch: pytest.MonkeyPatch) -> None:
    member(monkeypatch, KafkaError._MAX_POLL_EXCEEDED).poll()


def test_who_may_not_use_the_group_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError):
        member(monkeypatch, KafkaError.GROUP_AUTHORIZATION_FAILED).poll()
