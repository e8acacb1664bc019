"""A broker that asks for TLS and credentials: what gets in, and what is said to those that do not."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka.admin import (
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialAlteration,
    UserScramCredentialUpsertion,
)

from tapewatch.model.errors import InputError, RetryableError
from tapewatch.model.secret import Secret
from tapewatch.runtime.cluster.group import GroupMember
from tapewatch.runtime.cluster.servers import kafka
from tapewatch.runtime.cluster.servers.ports import HOST, free_port
from tapewatch.runtime.config.detect import BridgeSection
from tapewatch.tape.kafka_entrance import knock
from tapewatch.tape.kafka_group import KafkaGroup
from tapewatch.tape.kafka_publisher import KafkaPublisher
from tapewatch.tape.kafka_settings import KafkaSettings
from tapewatch.tape.kafka_topics import KafkaTopics, TopicSpec

pytestmark = pytest.mark.cluster
TLS = Path(__file__).parents[1] / "tls"
PASSWORD = "k4fka-s3cret"
LOGIN = "org.apache.kafka.common.security"


Broker = tuple[KafkaSettings, AdminClient]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """How a desk gets in, and a client that needs no credentials."""
    folder = tmp_path_factory.mktemp("secured")
    store = folder / "keystore.pem"
    store.write_text((TLS / "localhost.key").read_text() + (TLS / "localhost.pem").read_text())
    plain, secure, controller = free_port(), free_port(), free_port()
    settings = {
        "listeners": f"PLAINTEXT://{HOST}:{plain},SASL_SSL://{HOST}:{secure},CONTROLLER://{HOST}:{controller}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{plain},SASL_SSL://{HOST}:{secure}",
        "controller.quorum.voters": f"1@{HOST}:{controller}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(store),
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
        "listener.name.sasl_ssl.plain.sasl.jaas.config": (
            f'{LOGIN}.plain.PlainLoginModule required user_desk="{PASSWORD}";'
        ),
        "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": f"{LOGIN}.scram.ScramLoginModule required;",
        "listener.name.sasl_ssl.connections.max.reauth.ms": "3000",
    }
    with kafka.start(folder, plain, settings=settings) as server:
        admin = AdminClient({"bootstrap.servers": server.address})
        give_password(admin, PASSWORD)
        desk = KafkaSettings(
            f"{HOST}:{secure}",
            protocol="SASL_SSL",
            ca_file=str(TLS / "localhost.pem"),
            mechanism="SCRAM-SHA-512",
            username="desk",
            password=Secret(PASSWORD),
        )
        yield desk, admin


@pytest.fixture
def secured(broker: Broker) -> KafkaSettings:
    return broker[0]


def give_password(admin: AdminClient, password: str) -> None:
    scram = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
    asked: list[UserScramCredentialAlteration] = [UserScramCredentialUpsertion("desk", scram, password.encode())]
    for made in admin.alter_user_scram_credentials(asked).values():
        made.result()


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "PLAIN"])
def test_with_the_right_credentials_a_message_goes_there_and_back(secured: KafkaSettings, mechanism: str) -> None:
    settings = replace(secured, mechanism=mechanism)  # type: ignore[arg-type]  # one of its literals
    topic = f"by-{mechanism}"
    knock(settings)
    KafkaTopics(settings).ensure([TopicSpec(topic, 1)])
    publisher = KafkaPublisher(settings)
    publisher.send(topic, [b"TSLA"], [b"1"], [[]])
    publisher.close()
    group = KafkaGroup(settings, [topic], f"of-{mechanism}")
    until = time.monotonic() + 30
    taken = group.take(1, 1.0)
    while not taken and time.monotonic() < until:
        taken = group.take(1, 1.0)
    group.close()
    assert [message.value for message in taken] == [b"1"]


def test_wrong_credentials_are_refused_at_once_without_being_shown(secured: KafkaSettings) -> None:
    settings = replace(secured, password=Secret("wr0ng-s3cret"))
    with pytest.raises(InputError, match="the broker refused the credentials") as refused:
        knock(settings)
    assert "s3cret" not in str(refused.value)
    group = KafkaGroup(settings, ["any"], "stranger")
    with pytest.raises(RetryableError, match="the broker refused the credentials"):
        for _ in range(30):
            group.take(1, 1.0)
    group.close()


def test_a_running_member_tells_that_its_credentials_are_no_longer_taken(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    settings, admin = broker
    KafkaTopics(settings).ensure([TopicSpec("ticks", 1)])
    given: list[tuple[str, int]] = []
    member = GroupMember(settings, BridgeSection(group="bridges"), ["ticks"], given.extend, lambda _at, _lost: None)

    def poll(until: Callable[[], bool], seconds: float = 30) -> None:
        give_up = time.monotonic() + seconds
        while not until():
            assert time.monotonic() < give_up
            member.poll()
            time.sleep(0.05)

    poll(lambda: bool(given))
    assert member.trouble() is None
    give_password(admin, "another")
    poll(lambda: "the broker refused the credentials" in (member.trouble() or ""))
    assert PASSWORD not in caplog.text
    assert [record.levelname for record in caplog.records if "credentials" in record.message] == ["WARNING"]
    give_password(admin, PASSWORD)
    poll(lambda: member.trouble() is None)
    member.close()


def test_a_certificate_that_is_not_trusted_is_named(secured: KafkaSettings) -> None:
    with pytest.raises(InputError, match=r"certificate is not trusted, see kafka\.ca_file"):
        knock(replace(secured, ca_file=None))


def test_a_certificate_file_that_is_not_there_is_named(secured: KafkaSettings, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"ssl\.ca\.location"):
        knock(replace(secured, ca_file=str(tmp_path / "gone.pem")))


def test_another_protocol_and_a_broker_that_is_away_are_tried_again(secured: KafkaSettings) -> None:
    for settings, why in (
        (KafkaSettings(secured.bootstrap, timeout_s=1.0), secured.bootstrap),
        (KafkaSettings(f"{HOST}:{free_port()}", timeout_s=1.0), "refused"),
    ):
        with pytest.raises(RetryableError, match=why):
            knock(settings)
