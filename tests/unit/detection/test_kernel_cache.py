"""The cache of kernels: bounded, and what is in use stays."""

import ast
import importlib.util
import os
from pathlib import Path

import pytest

from tapewatch.detection.kernel import KEPT, SPARED_S, _sources, load_generated
from tapewatch.detection.kernel_text import kernel_text
from tests.unit.detection.support import everything, preset


@pytest.fixture
def kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TAPEWATCH_CACHE_DIR", str(tmp_path))
    return tmp_path / "tapewatch" / "kernels"


def load(number: int) -> Path:
    module = load_generated(f"number = {number}\n", [])
    assert module.number == number
    return Path(module.__file__).parent


def age(directory: Path, seconds: float) -> None:
    used = directory.stat().st_mtime - seconds
    os.utime(directory, (used, used))


def test_the_least_recently_used_kernels_make_room_for_new_ones(kernels: Path) -> None:
    made = [load(number) for number in range(KEPT)]
    for number, directory in enumerate(made):
        age(directory, 2 * SPARED_S + KEPT - number)
    load(0)  # used again: now number 1 is the oldest
    new = [load(KEPT), load(KEPT + 1)]
    assert set(kernels.iterdir()) == {made[0], *made[3:], *new}


def test_what_was_used_within_the_hour_is_spared_however_many_there_are(kernels: Path) -> None:
    made = [load(number) for number in range(KEPT + 5)]
    assert set(kernels.iterdir()) == set(made)


def test_nothing_is_removed_that_is_not_a_kernel(kernels: Path) -> None:
    for number in range(KEPT):
        load(number)
    foreign = kernels / "notes"
    foreign.mkdir()
    age(foreign, 10 * SPARED_S)
    load(KEPT)
    assert foreign.exists()


def test_a_kernel_that_was_evicted_is_written_again(kernels: Path) -> None:
    first = load(-1)
    age(first, 10 * SPARED_S)
    for number in range(KEPT):
        load(number)
    assert not first.exists()
    assert load(-1) == first


def test_a_kernel_is_named_by_what_it_compiles_and_by_nothing_else() -> None:
    detectors = tuple(rule.detector for rule in preset("default").rules)
    text = kernel_text(detectors)
    files = {path.name for path in _sources(text, detectors)}
    assert {"episodes.py", "scale.py", "robust_return.py", "base.py", "times.py"} <= files
    assert not {"narrate.py", "engine.py", "tune.py"} & files


def test_every_import_of_compiled_code_names_a_module() -> None:
    """A module that is imported from its package by name would not be seen, and old machine code would be taken."""
    detectors = tuple(rule.detector for rule in everything().rules)
    for path in _sources(kernel_text(detectors), detectors):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tapewatch."):
                spec = importlib.util.find_spec(node.module or "")
                assert spec is not None, node.module
                assert spec.submodule_search_locations is None, f"{path.name} imports from the package {node.module}"
