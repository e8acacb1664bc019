"""Loads the settings: defaults, then a file, then the environment, then flags; the later wins, key by key."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Union

import msgspec

from tapewatch.model.errors import InputError
from tapewatch.model.secret import Secret
from tapewatch.runtime.config.check import Checker, missing, spell
from tapewatch.runtime.config.layers import (
    CONFIG_VARIABLE,
    FileLayer,
    Flag,
    Layer,
    environment_layer,
    flag_layer,
)
from tapewatch.runtime.config.problems import Problem, refuse
from tapewatch.runtime.config.schema import Field, Struct, fields, known_keys
from tapewatch.runtime.config.settings import Settings
from tapewatch.runtime.config.tomlfile import Key, TomlFile, read_toml

FILE_NAME = "tapewatch.toml"
_HAS_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")  # sim:market, kafka://...; one letter is a Windows drive


@dataclass(frozen=True, slots=True)
class Loaded:
    """The effective settings and where each value came from."""

    settings: Settings
    file: Path | None
    layers: tuple[Layer, ...]  # low to high

    def where(self, key: Key) -> str:
        """`default`, `tapewatch.toml:12`, `TAPEWATCH_API__PORT` or `--port`."""
        return _where(self.layers, key) or "default"


def load_settings(
    config: Path | None = None,
    *,
    flags: Sequence[Flag] = (),
    assignments: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Loaded:
    """Read every place and return one frozen value.

    The file is `config`, else what `TAPEWATCH_CONFIG` names, else `tapewatch.toml` in `cwd` where it exists. Relative
    paths in a file are relative to its folder, all others to `cwd`. `assignments` are `KEY=VALUE` texts. Secrets may be
    given as `file:PATH` or `env:NAME`. InputError has one line for each thing that is wrong, with file and line,
    variable or flag. Cost: a few milliseconds.
    """
    environ = os.environ if environ is None else environ
    cwd = cwd or Path.cwd()
    path = _find_file(config, environ, cwd)
    env, problems = environment_layer(environ, Settings)
    line, more = flag_layer(list(flags), list(assignments), Settings)
    layers: list[Layer] = [env, line]
    if path is not None:
        layers.insert(0, _file_layer(path, cwd))
    hook = _decoder(environ, cwd)
    problems += more
    for layer in layers:
        problems += Checker(layer.where, hook, layer.lax).table(layer.data, (Settings,))
    refuse(problems)
    tree: dict[str, Any] = {}
    for layer in layers:
        tree = _merge(_without_replaced_rules(tree, layer), layer.data)
    refuse(list(missing(tree, (Settings,), lambda key: _where(layers, key) or "settings")))
    return Loaded(_convert(tree, layers, hook), path, tuple(layers))


def _find_file(config: Path | None, environ: Mapping[str, str], cwd: Path) -> Path | None:
    named = config or (Path(environ[CONFIG_VARIABLE]) if environ.get(CONFIG_VARIABLE) else None)
    if named is not None:
        return cwd / named.expanduser()
    found = cwd / FILE_NAME
    return found if found.is_file() else None


def _file_layer(path: Path, cwd: Path) -> FileLayer:
    name = os.path.relpath(path, cwd) if path.is_relative_to(cwd) else str(path)
    file = read_toml(path, name)
    data = _anchor(file.data, (Settings,), path.parent) if path.parent != cwd else file.data
    return FileLayer(TomlFile(file.path, file.name, data, file.lines))


def _anchor(data: dict[str, Any], structs: tuple[Struct, ...], folder: Path) -> dict[str, Any]:
    """Make the paths of a file relative to its folder."""
    known: dict[str, Field] = {}
    for struct in structs:
        known.update(fields(struct))
    out = dict(data)
    for name, value in data.items():
        field = known.get(name)
        if field is None:
            continue
        if isinstance(value, dict) and field.tables:
            out[name] = _anchor(value, field.tables, folder)
        elif isinstance(value, list) and field.items:
            out[name] = [_anchor(item, field.items, folder) if isinstance(item, dict) else item for item in value]
        elif field.is_path:
            out[name] = [_join(folder, item) for item in value] if isinstance(value, list) else _join(folder, value)
    return out


def _join(folder: Path, text: object) -> object:
    if not isinstance(text, str) or text in ("", "-") or _HAS_SCHEME.match(text):
        return text
    return str(folder / Path(text).expanduser())


def _merge(low: dict[str, Any], high: dict[str, Any]) -> dict[str, Any]:
    """Tables are merged key by key; everything else, lists too, is replaced."""
    out = dict(low)
    for name, value in high.items():
        below = out.get(name)
        out[name] = _merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return out


def _without_replaced_rules(tree: dict[str, Any], layer: Layer) -> dict[str, Any]:
    """A preset that a later source names replaces an earlier source's rules file, which would win over it else."""
    named = layer.data.get("rules", {})
    if "preset" not in named or "file" not in tree.get("rules", {}):
        return tree
    return {**tree, "rules": {key: value for key, value in tree["rules"].items() if key != "file"}}


def _where(layers: Sequence[Layer], key: Key) -> str:
    """Where the highest layer that has `key` has it; lists come whole from one layer."""
    whole = key
    for position, part in enumerate(key):
        if isinstance(part, int):
            whole = key[:position]
            break
    for layer in reversed(layers):
        node: Any = layer.data
        for part in whole:
            node = node.get(part) if isinstance(node, dict) else None
        if node is not None:
            return layer.where(key)
    return ""


def _decoder(environ: Mapping[str, str], cwd: Path) -> Callable[[type, Any], Any]:
    def decode(wanted: type, value: Any) -> Any:
        if isinstance(value, wanted):  # a flag that was already read
            return value
        if not isinstance(value, str):
            raise TypeError(f"expected text for {wanted.__name__}")
        if wanted is Path:
            return Path(value).expanduser()
        if wanted is Secret:
            return _secret(value, environ, cwd)
        raise TypeError(f"{wanted.__name__} cannot be set")

    return decode


def _secret(text: str, environ: Mapping[str, str], cwd: Path) -> Secret:
    """The secret itself, or what a file or another variable holds. Its text never reaches a message."""
    kind, colon, name = text.partition(":")
    if colon and kind == "env":
        if not environ.get(name):
            raise InputError(f"the environment variable {name} is not set")
        return Secret(environ[name], text)
    if colon and kind == "file":
        try:
            found = (cwd / Path(name).expanduser()).read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            raise InputError(f"the file {name} cannot be read: {reason}") from None
        if not found:
            raise InputError(f"the file {name} is empty")
        return Secret(found, text)
    return Secret(text)


def _convert(tree: dict[str, Any], layers: Sequence[Layer], hook: Callable[[type, Any], Any]) -> Settings:
    """Lax, because every layer was already held to its own strictness and texts of the environment are still texts.

    What can fail here is what a struct says about keys that do not go together.
    """
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for name, field in fields(Settings).items():
        if name not in tree:
            continue
        try:
            values[name] = msgspec.convert(tree[name], field.annotation, strict=False, dec_hook=hook)
        except (msgspec.ValidationError, InputError) as error:
            key, text = _blame(tree[name], field, (name,), hook) or ((name,), str(error))
            problems.append(Problem(_where(layers, key) or "settings", f"{spell(key)}: {text}"))
    refuse(problems)
    return Settings(**values)


def _blame(value: Any, field: Field, key: Key, hook: Callable[[type, Any], Any]) -> tuple[Key, str] | None:
    """The innermost table that cannot be, and why; msgspec does not say it of errors of our own."""
    below: list[tuple[Key, Any, tuple[Struct, ...]]] = []
    if field.tables and isinstance(value, dict):
        below = [(key, value, field.tables)]
    elif field.items and isinstance(value, list | tuple):
        below = [((*key, index), item, field.items) for index, item in enumerate(value)]
    elif field.values and isinstance(value, dict):
        below = [((*key, name), item, field.values) for name, item in value.items()]
    for here, table, structs in below:
        for name, inner in known_keys(structs).items():
            found = _blame(table[name], inner, (*here, name), hook) if name in table else None
            if found is not None:
                return found
        try:
            msgspec.convert(table, Union[structs], strict=False, dec_hook=hook)  # noqa: UP007 - made at run time
        except (msgspec.ValidationError, InputError) as error:
            return here, str(error)
    return None
