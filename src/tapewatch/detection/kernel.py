"""One fused loop for a rule set: a small module is written for the detectors in their order, and compiled once.

The generated text only calls what stands in this package; it exists because Numba has to know at compile time which
function runs for which rule. It lies in a cache directory under a name that covers the text of every source that it
compiles, so that a change anywhere makes a new one; where the directory cannot be written, a temporary one does. What
was not used for longest makes room for what is new.
"""

import hashlib
import importlib.util
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numba

from tapewatch.detection.detectors.base import Detector
from tapewatch.detection.kernel_text import kernel_text

_IMPORT = re.compile(r"^ *from ([\w.]+) import", re.MULTILINE)
Kernel = Callable[..., tuple[int, int, int]]
DONE, FULL, CALENDAR = 0, 1, 2
"""Why a kernel came back: all records are done; the events fill their buffer; the session table ends too early."""

KEPT = 32
"""Kernels in the cache, some 5 MB each: of the rule sets and versions in use on one machine, and of some more."""

SPARED_S = 3600.0
"""What was used so shortly before the newest is never removed: another process may be compiling it just now."""


def _sources(text: str, detectors: Sequence[Detector]) -> list[Path]:
    """The files whose functions the text compiles: those that it imports, and what they import of tapewatch."""
    plugged = {function.__module__ for d in detectors for function in (d.step, d.due) if function is not None}
    found: dict[str, Path] = {}
    texts = [text]
    while texts:
        for name in _IMPORT.findall(texts.pop()):
            if name in found or not (name.startswith("tapewatch.") or name in plugged):
                continue
            spec = importlib.util.find_spec(name)
            found[name] = Path(spec.origin if spec is not None and spec.origin else "")
            texts.append(found[name].read_text())
    return sorted(found.values())


def cache_root() -> Path:
    """Where compiled code is kept; it may not be writable."""
    chosen = os.environ.get("TAPEWATCH_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME")
    return Path(chosen) / "tapewatch" if chosen else Path.home() / ".cache" / "tapewatch"


def _write(root: Path, name: str, text: str) -> Path:
    directory = root / "kernels" / name
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"kernel_{name}.py"
    if not path.exists():
        handle, temporary = tempfile.mkstemp(dir=directory)
        with os.fdopen(handle, "w") as file:
            file.write(text)
        Path(temporary).replace(path)
        _evict(directory)
    with suppress(OSError):  # a cache that we may only read: nothing is evicted from it
        os.utime(directory)
    return path


def _evict(newest: Path) -> None:
    """Remove the kernels beside `newest` that were used least recently, beyond `KEPT`. A process that runs one of them
    has it in memory; one that loads it at this moment compiles it again."""
    used = {}
    for directory in newest.parent.iterdir():
        with suppress(FileNotFoundError):  # another process evicts too
            used[directory] = directory.stat().st_mtime
    spared_from = used[newest] - SPARED_S
    for directory in sorted(used, key=used.__getitem__, reverse=True)[KEPT:]:
        if used[directory] < spared_from and (directory / f"kernel_{directory.name}.py").exists():
            shutil.rmtree(directory, ignore_errors=True)


def load_generated(text: str, sources: Iterable[Path]) -> Any:
    """The module of a generated text, imported from the cache directory under a name that covers the text, every source
    that it compiles, Numba and Python. So Numba's cache beside it is never that of other sources."""
    digest = hashlib.sha256(f"{numba.__version__} {sys.version}".encode())
    for path in sources:
        digest.update(path.read_bytes())
    digest.update(text.encode())
    name = digest.hexdigest()[:20]
    try:
        path = _write(cache_root(), name, text)
    except OSError:
        path = _write(Path(tempfile.mkdtemp(prefix="tapewatch-")), name, text)
    spec = importlib.util.spec_from_file_location(f"tapewatch_kernel_{name}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot load the generated kernel {path}")
    module: Any = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # Numba's cache looks the module up by name
    spec.loader.exec_module(module)
    return module


@cache
def kernel_for(detectors: tuple[Detector, ...]) -> Kernel:
    """The compiled loop for these detectors in this order. Seconds the first time, milliseconds from the cache."""
    text = kernel_text(detectors)
    run: Kernel = load_generated(text, _sources(text, detectors)).run
    return run
