"""What is imported is declared: an installation without the development tools has to start.

Those tools bring packages of their own, which hides that one is missing. So what the lock file does not install for
users is hidden from a process that then imports all of tapewatch.
"""

import json
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any  # the lock file is TOML

import pytest

LOCK = Path(__file__).parents[3] / "uv.lock"
IMPORT_ALL = """
import importlib, json, pkgutil, sys
hidden, left_out, further = json.loads(sys.argv[1])

class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in hidden:
            raise ModuleNotFoundError(f"{name} is hidden", name=name)

sys.meta_path.insert(0, Hide())
import tapewatch
for found in pkgutil.walk_packages(tapewatch.__path__, "tapewatch."):
    if not any(part in found.name for part in left_out):
        importlib.import_module(found.name)
for name in further:
    importlib.import_module(name)
"""
OF_THE_CLUSTER = [
    "runtime.cluster",
    "runtime.status",
    "stores.redis",
    "stores.elasticsearch",
    "kafka",
    "tapewatch.tasks",
]
NAMED_BY_SETTINGS = ["kombu.transport.redis", "redbeat"]
"""What Celery imports by itself, because the queue is a Redis and beat is RedBeat."""


def _declared(extra: str) -> set[str]:
    """Names of the distributions that the lock file installs for tapewatch, and with this extra of it if any."""
    packages: dict[str, Any] = {package["name"]: package for package in tomllib.loads(LOCK.read_text())["package"]}
    seen: set[tuple[str, str]] = set()
    waiting = [("tapewatch", ""), ("tapewatch", extra)]
    while waiting:
        at = name, of = waiting.pop()
        if at in seen:
            continue
        seen.add(at)
        package = packages[name]
        needed = package.get("optional-dependencies", {}).get(of, []) if of else package.get("dependencies", [])
        waiting += [(one["name"], extra) for one in needed for extra in ("", *one.get("extra", ()))]
    return {name for name, _ in seen}


@pytest.mark.parametrize(
    ("extra", "left_out", "further"),
    [("", OF_THE_CLUSTER, []), ("cluster", [], NAMED_BY_SETTINGS)],
    ids=["plain", "cluster"],
)
def test_tapewatch_starts_with_the_packages_that_it_declares(
    extra: str, left_out: list[str], further: list[str]
) -> None:
    declared = _declared(extra)
    owners = {
        name: {owner.lower().replace("_", "-") for owner in owning} for name, owning in packages_distributions().items()
    }
    hidden = [name for name, owning in owners.items() if not owning & declared]

    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, json.dumps([hidden, left_out, further])],
        capture_output=True,
        text=True,
        check=False,
    )

    assert "pytest" in hidden
    assert done.returncode == 0, done.stderr[-1000:]
