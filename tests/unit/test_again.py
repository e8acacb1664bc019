"""`tests/again.sh`, with a pytest that only says what it was asked for: what runs once more, and what is named then."""

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "again.sh"
PYTEST = """#!/bin/sh
printf '%s\\n' "$*" >> calls
case "$*" in
  *--last-failed*) echo "$SECOND"; exit "$SECOND_STATUS" ;;
  *) exit "$FIRST_STATUS" ;;
esac
"""
FLAKY, FAILED = "PASSED tests/test_it.py::test_flaky[a b]", "FAILED tests/test_it.py::test_wrong - assert 0"


@pytest.mark.parametrize(
    ("first", "second", "said", "ended", "named"),
    [
        (0, None, "", 0, []),
        (1, 0, FLAKY, 0, ["tests/test_it.py::test_flaky[a b]"]),
        (1, 1, f"{FAILED}\n{FLAKY}", 1, ["tests/test_it.py::test_flaky[a b]"]),
        (1, 1, FAILED, 1, []),
        (1, 5, "", 5, []),  # no test failed, but a plugin: the coverage, say
        (2, None, "", 2, []),
        (3, None, "", 3, []),
        (4, None, "", 4, []),
        (5, None, "", 5, []),
    ],
)
def test_only_failed_tests_run_again_and_those_that_pass_then_are_named(
    first: int, second: int | None, said: str, ended: int, named: list[str], tmp_path: Path
) -> None:
    (tmp_path / "pytest").write_text(PYTEST)
    (tmp_path / "pytest").chmod(0o755)
    environment = {
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        "FIRST_STATUS": str(first),
        "SECOND_STATUS": str(second),
        "SECOND": said,
    }
    command = ["bash", str(SCRIPT), "loadfile", "-m", "cluster and not faults"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == ended
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls[0] == "-n 2 --dist loadfile -m cluster and not faults"
    assert len(calls) == 1 + (second is not None)
    assert all(call.endswith("-m cluster and not faults") for call in calls)
    prefix = "FLAKY, passed only the second time: "
    assert [line.removeprefix(prefix) for line in done.stdout.splitlines() if line.startswith(prefix)] == named
