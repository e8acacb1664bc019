"""The section of Kafka: how the brokers are reached, and how our topics are made."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta

from tapewatch.model.secret import Secret
from tapewatch.tape.kafka_names import PARTITIONS, PRICES

if TYPE_CHECKING:  # the client is an extra that the embedded mode does without
    from tapewatch.tape.kafka_settings import KafkaSettings

Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
Compression = Literal["none", "lz4", "zstd", "snappy", "gzip"]


class KafkaSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The brokers of the tape and of what is found in it."""

    bootstrap: Annotated[str, Meta(min_length=1)] = "127.0.0.1:9092"
    """Where the brokers are: host:port, several with commas between."""

    protocol: Protocol = "PLAINTEXT"
    """How the connection is secured."""

    ca_file: Path | None = None
    """Certificates (PEM) to trust instead of the system's."""

    certificate_file: Path | None = None
    """Our certificate (PEM), where the brokers ask for one; goes with `key_file`."""

    key_file: Path | None = None
    """Its private key (PEM)."""

    key_password: Secret | None = None
    """Password of the private key."""

    mechanism: Mechanism | None = None
    """How to log in; needs `protocol` `SASL_SSL` or `SASL_PLAINTEXT`."""

    username: str | None = None
    """User to log in as."""

    password: Secret | None = None
    """Its password."""

    compression: Compression = "lz4"
    """Codec of what is written."""

    topics: Annotated[tuple[str, ...], Meta(min_length=1)] = (PRICES,)
    """Topics of the tape; a symbol belongs to one of them."""

    partitions: Annotated[int, Meta(ge=1, le=10_000)] = PARTITIONS
    """Partitions of the topics that are made; fixed from then on, since a symbol's partition is where its state is."""

    retention_days: Annotated[float, Meta(gt=0, le=36_500)] = 7.0
    """Days that ticks are kept in the topics that are made; alerts and signals four times as long."""

    replication: Annotated[int, Meta(ge=-1, le=100)] = -1
    """Copies of each partition of the topics that are made; -1 is the brokers' default."""


def kafka_settings(section: KafkaSection, client_id: str = "tapewatch") -> "KafkaSettings":
    """What the clients take; `client_id` is how the broker's logs call us. InputError for what contradicts itself."""
    from tapewatch.tape.kafka_settings import KafkaSettings

    def text(path: Path | None) -> str | None:
        return None if path is None else str(path)

    return KafkaSettings(
        bootstrap=section.bootstrap,
        protocol=section.protocol,
        ca_file=text(section.ca_file),
        certificate_file=text(section.certificate_file),
        key_file=text(section.key_file),
        key_password=section.key_password,
        mechanism=section.mechanism,
        username=section.username,
        password=section.password,
        compression=section.compression,
        client_id=client_id,
    )
