"""Which processes make the cluster, and how each of them is told where the others are."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tapewatch.runtime.cluster.servers import Running
from tapewatch.runtime.cluster.servers.ports import HOST, free_port
from tapewatch.runtime.cluster.servers.process import Launch

_MAIN = (sys.executable, "-c", "from tapewatch.runtime.cli import main; main()")
_START_S = 60.0


@dataclass(frozen=True, slots=True)
class Part:
    """One of our processes: `tapewatch` with these arguments. `once`: its work has an end. `late`: it begins
    when Elasticsearch is up."""

    name: str
    arguments: tuple[str, ...]
    once: bool = False
    late: bool = False


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the servers are."""

    kafka: str
    queue: str
    state: str
    elasticsearch: str

    def environment(self) -> dict[str, str]:
        """The settings that say so, as every process of ours reads them."""
        return {
            "TAPEWATCH_KAFKA__BOOTSTRAP": self.kafka,
            "TAPEWATCH_QUEUE__URL": self.queue,
            "TAPEWATCH_STATE__URL": self.state,
            "TAPEWATCH_ELASTICSEARCH__URLS": json.dumps([self.elasticsearch]),
        }


def our_parts(workers: int) -> tuple[Part, ...]:
    """What runs beside the generator, in the order in which the screen shows it."""
    return (
        Part("bridge", ("consume",)),
        *(Part(f"worker-{n}", ("worker",)) for n in range(1, workers + 1)),
        Part("merger", ("merge",)),
        Part("office", ("worker", "--queues", "office"), late=True),
        Part("beat", ("beat",), late=True),
        Part("indexer", ("index",), late=True),
        Part("archiver", ("archive",)),
        Part("notifier", ("notify",), late=True),
        Part("api", ("api",), late=True),
    )


def start_part(part: Part, folder: Path, environment: Mapping[str, str]) -> Running:
    """Start it with its log in `folder`; returns at once. Each part gets a port for its metrics and readiness."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    own = {"TAPEWATCH_OPS__PORT": str(port), **environment}
    launch = Launch(part.name, [*_MAIN, *part.arguments], folder, lambda: True, _START_S, own)
    return Running(f"http://{HOST}:{port}", port, launch)
