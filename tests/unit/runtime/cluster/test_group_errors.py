"""What a member of the consumer group makes of a commit that the broker does not take."""

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from tapewatch.model.errors import CommitRefusedError, RetryableError
from tapewatch.runtime.cluster import group
from tapewatch.runtime.config.detect import BridgeSection
from tapewatch.tape.kafka_settings import KafkaSettings


class Refusing:
    """A consumer whose commits end with a code of the broker."""

    def __init__(self, code: int) -> None:
        self._code = code

    def subscribe(self, topics: list[str], **callbacks: object) -> None:
        pass

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
