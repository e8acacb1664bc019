"""The servers' software from ordinary package registries, kept in a cache folder."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from tapewatch.runtime.cluster.servers import versions
from tapewatch.runtime.cluster.servers.errors import DownloadError

_TIMEOUT_S = 600
_JGO_FETCH = """
import shutil, sys, jgo
from jgo.maven import MavenContext
into, *coordinates = sys.argv[1:]
context = MavenContext()
for coordinate in coordinates:
    group, name, version, packaging = coordinate.split(":")
    if packaging == "jar":
        found = [artifact.resolve() for artifact in jgo.resolve(f"{group}:{name}:{version}")]
    else:
        found = [context.project(group, name).at_version(version).artifact(packaging=packaging).resolve()]
    for path in found:
        shutil.copy(path, into)
"""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A Maven artifact; a jar comes with all that it needs at run time. Its file is checked against `sha256` where that
    is known, else against what the registry says of it."""

    group: str
    name: str
    version: str
    packaging: str = "jar"
    sha256: str = ""


def cache_folder() -> Path:
    """`servers` in TAPEWATCH_CACHE_DIR, else in the user's cache folder."""
    chosen = os.environ.get("TAPEWATCH_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME")
    return (Path(chosen) if chosen else Path.home() / ".cache") / "tapewatch" / "servers"


def maven(folder: Path, artifacts: Sequence[Artifact]) -> Path:
    """`folder`, holding the artifacts' files: downloaded at the first call, by `mvn` or else by jgo from PyPI.

    Raises DownloadError with what the tool said. Two processes may call it at once.
    """
    return once(folder, lambda into: _fetch(into, artifacts))


def wheel(name: str, version: str) -> Path:
    """A folder for `sys.path` that holds the package and what it needs, apart from this environment."""
    folder = cache_folder() / f"{name}-{version}"
    return once(folder, lambda into: _install(into, f"{name}=={version}"))


def once(folder: Path, fill: Callable[[Path], None]) -> Path:
    """`folder`; where it is missing, `fill` fills a temporary folder beside it that then takes its name.

    So a folder that is there is whole, whoever was interrupted while making it.
    """
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
        whole = Path(scratch) / "whole"
        whole.mkdir()
        fill(whole)
        try:
            whole.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was faster, with the same content
                raise
    return folder


def _fetch(into: Path, artifacts: Sequence[Artifact]) -> None:
    _maven(into, artifacts)
    for artifact in artifacts:
        if artifact.sha256:
            _check(into / f"{artifact.name}-{artifact.version}.{artifact.packaging}", artifact.sha256)


def _check(path: Path, wanted: str) -> None:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != wanted:
        raise DownloadError(
            f"{path.name} is not the file that it should be: its SHA-256 is {found}, and {wanted} was expected; it may "
            "be damaged, or another one under its name. Try again, or look at the registry that Maven is set to"
        )


def _maven(into: Path, artifacts: Sequence[Artifact]) -> None:
    mvn = shutil.which("mvn")
    if mvn is None:
        coordinates = [f"{a.group}:{a.name}:{a.version}:{a.packaging}" for a in artifacts]
        path = str(wheel("jgo", versions.JGO))
        _run([sys.executable, "-c", _JGO_FETCH, str(into), *coordinates], {"PYTHONPATH": path})
        return
    with tempfile.TemporaryDirectory() as scratch:
        pom = Path(scratch) / "pom.xml"
        pom.write_text(_pom(artifacts))
        goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={into}"]
        checksums = "--lax-checksums" if all(a.sha256 for a in artifacts) else "--strict-checksums"
        _run([mvn, "-q", "-B", checksums, "-f", str(pom), *goal], {})


def _pom(artifacts: Sequence[Artifact]) -> str:
    dependencies = "".join(
        f"<dependency><groupId>{escape(a.group)}</groupId><artifactId>{escape(a.name)}</artifactId>"
        f"<version>{escape(a.version)}</version><type>{escape(a.packaging)}</type></dependency>"
        for a in artifacts
    )
    return (
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
        "<groupId>tapewatch</groupId><artifactId>servers</artifactId><version>1</version>"
        f"<dependencies>{dependencies}</dependencies></project>"
    )


def _install(into: Path, requirement: str) -> None:
    beside = Path(sys.executable).with_name("uv")
    uv = shutil.which("uv") or (str(beside) if beside.exists() else None)
    if uv:
        _run([uv, "pip", "install", "-q", "--python", sys.executable, "--target", str(into), requirement], {})
    else:
        _run([sys.executable, "-m", "pip", "install", "-q", "--target", str(into), requirement], {})


def _run(command: Sequence[str], environment: dict[str, str]) -> None:
    tool = Path(command[0]).name
    try:
        done = subprocess.run(  # noqa: S603 - our own command
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise DownloadError(f"{tool} did not finish a download within {_TIMEOUT_S} s") from None
    if done.returncode != 0:
        said = done.stdout.decode(errors="replace").strip()
        raise DownloadError(f"{tool} could not download what a server needs:\n{said[-2000:]}")
