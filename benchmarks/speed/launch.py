"""Runs a command and writes what it took to a file: `python launch.py FILE COMMAND...`.

A process of its own because a new process counts the memory of the one that started it in its own peak (Linux keeps
the higher of the two over `exec`): started by a benchmark that holds a tape, every command would look as large as that.
"""

import json
import os
import sys
import time
from pathlib import Path

if __name__ == "__main__":
    began = time.perf_counter()
    child = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
    _, status, usage = os.wait4(child, 0)  # not os.wait: only this tells the memory of one child
    figures = {
        "wall_s": time.perf_counter() - began,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "peak_mb": usage.ru_maxrss / 1024.0,
    }
    Path(sys.argv[1]).write_text(json.dumps(figures))
    sys.exit(os.waitstatus_to_exitcode(status) and 1)
