"""Ways of measuring: contenders in turn in one process, and whole commands with their peak memory."""

import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Work = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Target:
    """A figure that is promised: at least, or at most, so much."""

    figure: str
    way: Literal["at least", "at most"]
    limit: float

    def judged(self, value: float) -> dict[str, object]:
        """The target with what was measured."""
        met = value >= self.limit if self.way == "at least" else value <= self.limit
        return {"figure": self.figure, "value": round(value, 3), self.way: self.limit, "met": met}


def judge(targets: Sequence[Target], values: Mapping[str, float]) -> list[dict[str, object]]:
    """Every target with its value."""
    return [t.judged(values[t.figure]) for t in targets]


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds of one contender over all rounds."""

    median_ms: float
    best_ms: float
    cpu_ms: float  # of all threads, median


def interleaved(contenders: Mapping[str, Callable[[], Work]], rounds: int) -> dict[str, Timing]:
    """Run every contender once a round, in turn, so that what disturbs the machine disturbs all of them.

    Each is a function that prepares (not timed) and returns the work (timed). One round before the first warms up.
    """
    wall: dict[str, list[float]] = {name: [] for name in contenders}
    cpu: dict[str, list[float]] = {name: [] for name in contenders}
    for at in range(rounds + 1):
        for name, prepare in contenders.items():
            work = prepare()
            gc.collect()
            cpu_began, began = time.process_time(), time.perf_counter()
            result = work()
            took, cpu_took = time.perf_counter() - began, time.process_time() - cpu_began
            del result, work
            if at:
                wall[name].append(took * 1e3)
                cpu[name].append(cpu_took * 1e3)
    return {n: Timing(statistics.median(wall[n]), min(wall[n]), statistics.median(cpu[n])) for n in contenders}


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command took."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    output: str


def command(*arguments: str) -> list[str]:
    """The command line `tapewatch ...` of the environment that runs this."""
    return [str(Path(sys.executable).with_name("tapewatch")), *arguments]


def run(*arguments: str) -> Ran:
    """Run `tapewatch ...` to its end; CalledProcessError where it fails."""
    with tempfile.TemporaryDirectory() as folder:
        took = Path(folder) / "took.json"
        launch = [sys.executable, "-I", str(Path(__file__).with_name("launch.py")), str(took)]
        done = subprocess.run([*launch, *command(*arguments)], capture_output=True, text=True, check=True)
        return Ran(**json.loads(took.read_text()), output=done.stdout)


def cpu_s(pid: int) -> float | None:
    """Processor time of a running process so far; None where the system has no /proc."""
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists():
        return None
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def served(*arguments: str, ready: str, timeout_s: float = 60.0) -> Iterator[tuple[str, int]]:
    """Run `tapewatch serve ...` until the block ends; yields what follows `ready` on the line that says it is, and the
    process's id."""
    process = subprocess.Popen(command("serve", *arguments), stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    killer = threading.Timer(timeout_s, process.kill)
    killer.start()
    try:
        for line in process.stderr:
            if ready in line:
                killer.cancel()
                threading.Thread(target=process.stderr.read, daemon=True).start()  # a full pipe would stop it
                yield line.partition(ready)[2].strip(), process.pid
                return
        raise RuntimeError("tapewatch serve ended before it was ready")
    finally:
        killer.cancel()
        process.terminate()
        process.wait(30)
