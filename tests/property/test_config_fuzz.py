"""Whatever stands in a file, in the environment or in an assignment: settings or an InputError, nothing else."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tapewatch.model.errors import InputError
from tapewatch.runtime.config import Settings, load_settings
from tapewatch.runtime.config.check import Checker
from tapewatch.runtime.config.layers import environment_layer
from tapewatch.runtime.config.rules import load_rules_file
from tapewatch.runtime.config.schema import leaves
from tapewatch.runtime.config.tomlfile import parse_toml

KEYS = [".".join(key) for key, _ in leaves(Settings)]
WORDS = sorted({part for key in KEYS for part in key.split(".")} | {"rules", "params", "name", "detector", "url", "x"})
SCALARS = st.one_of(
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(["env:NOT_SET", "file:/", "file:\x00", "info", "https://x.example", "price_move", "0" * 5000]),
    st.datetimes(),
    st.none(),
)
TREES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=5), inner),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("settings")


def allow_input_error(text: str, folder: Path, environ: dict[str, str], assignments: list[str]) -> None:
    (folder / "tapewatch.toml").write_text(text, encoding="utf-8", newline="")
    try:
        load_settings(environ=environ, assignments=assignments, cwd=folder)
    except InputError as error:
        assert str(error)


@given(text=st.text(alphabet=st.characters(exclude_categories=["Cs"])) | st.text(alphabet="[]{}=.,\"'#\n ab1-T:"))
def test_any_text_as_a_file(folder: Path, text: str) -> None:
    allow_input_error(text, folder, {}, [])


@given(tree=st.dictionaries(st.sampled_from(WORDS), TREES, max_size=5))
def test_any_tree_of_values_is_checked_without_raising(tree: dict[str, Any]) -> None:
    def no_custom_types(wanted: type, value: Any) -> Any:
        raise TypeError

    for lax in (False, True):
        for problem in Checker(lambda _: "here", no_custom_types, lax).table(tree, (Settings,)):
            assert str(problem).startswith("here: ")


@given(
    lines=st.lists(st.tuples(st.sampled_from(KEYS), SCALARS.filter(lambda value: value is not None)), max_size=6),
    named=st.dictionaries(st.sampled_from(KEYS), st.text(max_size=20), max_size=4),
    assigned=st.lists(st.builds("{}={}".format, st.sampled_from(KEYS), st.text(max_size=10)), max_size=3),
)
@settings(max_examples=60)
def test_any_value_for_any_key_from_any_source(
    folder: Path, lines: list[tuple[str, Any]], named: dict[str, str], assigned: list[str]
) -> None:
    text = "".join(f"{key} = {_toml(value)}\n" for key, value in lines)
    environ = {f"TAPEWATCH_{key.replace('.', '__').upper()}": value for key, value in named.items()}
    allow_input_error(text, folder, environ, assigned)


@given(names=st.lists(st.text(alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZ_.0", max_size=20), max_size=4), value=st.text())
def test_any_variable_with_our_prefix(names: list[str], value: str) -> None:
    layer, problems = environment_layer({f"TAPEWATCH_{name}": value for name in names}, Settings)
    assert len(layer.names) + len(problems) <= len(set(names))


@given(tree=st.dictionaries(st.sampled_from(WORDS), SCALARS.filter(lambda value: value is not None), max_size=6))
@settings(max_examples=60)
def test_any_keys_in_a_rules_file(folder: Path, tree: dict[str, Any]) -> None:
    path = folder / "rules.toml"
    path.write_text("[[rules]]\n" + "".join(f"{k} = {_toml(v)}\n" for k, v in tree.items()), encoding="utf-8")
    try:
        load_rules_file(path)
    except InputError as error:
        assert str(error).startswith(str(path))


@given(
    tree=st.dictionaries(
        st.text(min_size=1, max_size=4), st.integers() | st.dictionaries(st.text(max_size=3), st.integers()), max_size=5
    )
)
def test_every_key_of_a_document_has_the_line_that_it_was_written_on(tree: dict[str, Any]) -> None:
    plain = [(name, value) for name, value in tree.items() if not isinstance(value, dict)]
    lines = [f"{_toml(name)} = {value}" for name, value in plain]
    expected: dict[tuple[str, ...], int] = {(name,): number for number, (name, _) in enumerate(plain, start=1)}
    for name, table in tree.items():
        if isinstance(table, dict):
            lines.append(f"[{_toml(name)}]")
            expected[(name,)] = len(lines)
            for inner, value in table.items():
                lines.append(f"{_toml(inner)} = {value}")
                expected[(name, inner)] = len(lines)
    file = parse_toml("\n".join(lines), "t.toml")
    assert {key: file.line(key) for key in expected} == expected


def _toml(value: object) -> str:
    """A value as TOML; what it cannot say (a lone surrogate) is left out."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        text = "".join(f"\\u{ord(c):04x}" if ord(c) < 32 or c in '\x7f"\\' else c for c in value)
        return f'"{text.encode(errors="ignore").decode()}"'
    if isinstance(value, float):
        return repr(value)
    text = value.isoformat() if hasattr(value, "isoformat") else str(value)
    try:
        tomllib.loads(f"a = {text}")
    except ValueError:
        return "0"
    return text
