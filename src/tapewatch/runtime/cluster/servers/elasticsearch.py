"""Elasticsearch: Elastic's own minimal distribution from Maven; one node, no security, on a JDK of this machine."""

import json
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path

import httpx

from tapewatch.runtime.cluster.servers import versions
from tapewatch.runtime.cluster.servers.account import own, reachable, unprivileged
from tapewatch.runtime.cluster.servers.downloads import Artifact, cache_folder, maven, once
from tapewatch.runtime.cluster.servers.errors import ServerMissingError
from tapewatch.runtime.cluster.servers.java import find_java
from tapewatch.runtime.cluster.servers.ports import HOST, free_port
from tapewatch.runtime.cluster.servers.process import Launch, Running

_ARTIFACT = Artifact(
    "org.elasticsearch.distribution.integ-test-zip",
    "elasticsearch",
    versions.ELASTICSEARCH,
    packaging="zip",
    sha256=versions.ELASTICSEARCH_SHA256,
)
_MODULES = ("jdk.jdi", "jdk.incubator.vector")
_SETTINGS: dict[str, object] = {
    "cluster.name": "tapewatch",
    "node.name": "one",
    "network.host": HOST,
    "discovery.type": "single-node",
    "xpack.security.enabled": False,
    "cluster.routing.allocation.disk.threshold_enabled": False,  # a laptop's full disk must not make it read-only
}


def start(folder: Path, port: int = 0, *, settings: Mapping[str, object] | None = None, heap_mb: int = 512) -> Running:
    """Start a node with its files in `folder`; `address` is a URL.

    `port` 0 is a free one; `settings` go over ours. A first start downloads 132 MB. Where we are root it runs as
    `nobody`, and where that user cannot enter `folder` its files are in another one: `Running.folder`. Raises
    ServerMissingError, ServerFailedError.
    """
    java = find_java(versions.ELASTICSEARCH_JAVA_AT_LEAST, _MODULES)
    if java is None:
        raise ServerMissingError(
            f"Elasticsearch needs a whole JDK of {versions.ELASTICSEARCH_JAVA_AT_LEAST} or newer (with the modules "
            f"{', '.join(_MODULES)}): none in ES_JAVA_HOME, JAVA_HOME, on PATH or in the system's folders"
        )
    home = _home()
    account = unprivileged()
    folder = (reachable(folder) if account else folder).absolute()
    port = port or free_port()
    _write_settings(folder, home, port, settings or {})
    if account:
        own(folder, account)
    environment = {
        "ES_JAVA_HOME": str(java),
        "ES_PATH_CONF": str(folder / "config"),
        "ES_JAVA_OPTS": f"-Xms{heap_mb}m -Xmx{heap_mb}m",
        "ES_TMPDIR": str(folder / "tmp"),
        "HOME": str(folder),
    }
    command = [str(home / "bin" / "elasticsearch")]
    address = f"http://{HOST}:{port}"
    launch = Launch("elasticsearch", command, folder, lambda: _answers(address), 180, environment, account)
    return Running(address, port, launch)


def _home() -> Path:
    """The unpacked distribution, where the user that runs it can read it."""
    folder = cache_folder() / f"elasticsearch-{versions.ELASTICSEARCH}"
    return once(reachable(folder) if unprivileged() else folder, _unpack)


def _unpack(into: Path) -> None:
    download = maven(cache_folder() / f"elasticsearch-{versions.ELASTICSEARCH}-zip", [_ARTIFACT])
    (packed,) = download.glob("*.zip")
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(into)
    (top,) = into.iterdir()
    for inner in top.iterdir():
        inner.rename(into / inner.name)
    top.rmdir()
    for program in (into / "bin").iterdir():
        program.chmod(0o755)  # zipfile loses the mode


def _write_settings(folder: Path, home: Path, port: int, more: Mapping[str, object]) -> None:
    config = folder / "config"
    for needed in (folder, config, folder / "tmp", folder / "data", folder / "logs"):
        needed.mkdir(parents=True, exist_ok=True)
    for name in ("jvm.options", "log4j2.properties"):
        shutil.copy(home / "config" / name, config)
    options = (config / "jvm.options").read_text().splitlines()
    (config / "jvm.options").write_text("\n".join(o for o in options if "gc.log" not in o) + "\n")  # 2 GB of log files
    paths = {"path.data": str(folder / "data"), "path.logs": str(folder / "logs")}
    ports = {"http.port": port, "transport.port": free_port()}
    # JSON is YAML, and needs no care for what a path may hold
    (config / "elasticsearch.yml").write_text(json.dumps(_SETTINGS | paths | ports | dict(more), indent=1))


def _answers(address: str) -> bool:
    try:
        health = httpx.get(f"{address}/_cluster/health", timeout=2, trust_env=False)
    except httpx.TransportError:
        return False
    return health.status_code == 200 and health.json()["status"] in ("green", "yellow")
