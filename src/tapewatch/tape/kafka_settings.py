"""How Kafka is reached: addresses, encryption, credentials; and the clients' own settings, each with its reason."""

from dataclasses import dataclass
from typing import Literal

from tapewatch.model.errors import InputError
from tapewatch.model.secret import Secret
from tapewatch.tape.kafka_names import PARTITIONER

Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
Compression = Literal["none", "lz4", "zstd", "snappy", "gzip"]
Conf = dict[str, str | int | float | bool]


@dataclass(frozen=True, slots=True)
class KafkaSettings:
    """Where the brokers are (`bootstrap`: host:port, several with commas between) and how to get in.

    `SSL` and `SASL_SSL` check the broker's certificate against `ca_file` (None: the system's authorities) and its host
    name; `certificate_file` and `key_file` are ours, where the broker asks for one. The passwords never show.
    Raises InputError for settings that contradict each other.
    """

    bootstrap: str = "127.0.0.1:9092"
    protocol: Protocol = "PLAINTEXT"
    ca_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None
    key_password: Secret | None = None
    mechanism: Mechanism | None = None
    username: str | None = None
    password: Secret | None = None
    compression: Compression = "lz4"
    client_id: str = "tapewatch"
    timeout_s: float = 10.0  # for what is asked of a broker
    delivery_s: float = 30.0  # for a message to be acknowledged, its repeats included
    read_ahead: int = 10_000  # messages of a partition, which cost 1 kB each for as long as nobody takes them

    def __post_init__(self) -> None:
        if not self.bootstrap.strip():
            raise InputError("kafka.bootstrap is empty: host:port is needed")
        sasl = self.protocol.startswith("SASL")
        if sasl and not (self.mechanism and self.username and self.password):
            raise InputError(f"kafka.protocol {self.protocol} needs mechanism, username and password")
        if not sasl and (self.mechanism or self.username or self.password):
            raise InputError(f"kafka.protocol {self.protocol} takes no credentials: did you mean SASL_SSL?")
        if (self.certificate_file is None) != (self.key_file is None):
            raise InputError("kafka.certificate_file and kafka.key_file go together")
        if "SSL" not in self.protocol and (self.ca_file or self.certificate_file or self.key_password):
            raise InputError(f"kafka.protocol {self.protocol} takes no certificates: did you mean SSL or SASL_SSL?")

    def common(self) -> Conf:
        """What every client needs. Holds the passwords in clear: give it to a client and to nothing else."""
        given: dict[str, str | None] = {
            "bootstrap.servers": self.bootstrap,
            "client.id": self.client_id,
            "security.protocol": self.protocol,
            "ssl.ca.location": self.ca_file,
            "ssl.certificate.location": self.certificate_file,
            "ssl.key.location": self.key_file,
            "ssl.key.password": self.key_password.reveal() if self.key_password else None,
            "sasl.mechanism": self.mechanism,
            "sasl.username": self.username,
            "sasl.password": self.password.reveal() if self.password else None,
        }
        conf: Conf = {name: value for name, value in given.items() if value is not None}
        # The library writes to standard error past every log setting: what matters is raised, or counted, by us.
        # Nagle's algorithm would hold small requests back; after an outage nobody waits 10 s for the next attempt.
        return conf | {"log_level": 2, "socket.nagle.disable": True, "reconnect.backoff.max.ms": 1000}

    def reader(self) -> Conf:
        """A client that reads from positions that it is told; it commits nothing on its own."""
        return self.common() | {
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "enable.partition.eof": True,  # the end of the log is told, also where it ends in control records
            "auto.offset.reset": "error",  # a position that is gone is a gap to be counted, not to be jumped over
            "fetch.wait.max.ms": 100,
            "fetch.error.backoff.ms": 100,
            "fetch.queue.backoff.ms": 5,  # the default of 1 s throttles a fast reader to bursts
            "fetch.max.bytes": 64 << 20,
            "queued.min.messages": self.read_ahead,
            "queued.max.messages.kbytes": 64 << 10,
        }

    def producer(self, linger_ms: float) -> Conf:
        """An idempotent producer: a repeat of its own makes neither a second message nor another order."""
        return self.common() | {
            "enable.idempotence": True,
            "acks": "all",
            "partitioner": PARTITIONER,
            "compression.type": self.compression,
            "linger.ms": linger_ms,
            "batch.size": 256 << 10,
            "queue.buffering.max.messages": 1_000_000,
            "queue.buffering.max.kbytes": 256 << 10,
            "message.max.bytes": 8 << 20,
            "delivery.timeout.ms": int(self.delivery_s * 1000),
            "delivery.report.only.error": True,  # a call of Python for each message that went well would halve the rate
        }
