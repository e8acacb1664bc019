"""Writes the effective settings as TOML, each with where it came from, secrets hidden."""

import datetime
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from tapewatch.model.secret import Secret
from tapewatch.runtime.config.load import Loaded
from tapewatch.runtime.config.schema import fields

HIDDEN = "***"
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def show(loaded: Loaded) -> str:
    """The settings as TOML that can be read again, but for the secrets; unset keys are comments.

    A secret that was given as `file:` or `env:` shows that; any other shows as `***`.
    """
    lines = list(_table(loaded.settings, (), loaded))
    return "\n".join(lines).strip() + "\n"


def secrets_in(value: object) -> Iterator[str]:
    """Every secret text in a tree of settings: what the log has to blot out."""
    if isinstance(value, Secret):
        yield value.reveal()
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from secrets_in(getattr(value, name))
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from secrets_in(item)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from secrets_in(item)


def _table(struct: msgspec.Struct, key: tuple[str, ...], loaded: Loaded) -> Iterator[str]:
    """Plain keys first, as TOML wants it; then tables and lists of tables, each under its header."""
    below: list[tuple[tuple[str, ...], Any]] = []  # Any: a struct, or a list or table of structs
    for name, field in fields(type(struct)).items():
        value = getattr(struct, _attribute(struct, name))
        here = (*key, name)
        if isinstance(value, msgspec.Struct) or (value and (field.items or field.values)):
            below.append((here, value))
        elif value is None or (not field.is_leaf and not value):
            yield f"# {_name(name)} is not set"
        else:
            shown = _value(value, hidden=field.is_secret)
            yield f"{_name(name)} = {shown}  # {loaded.where(here)}"
    for here, value in below:
        yield from _below(here, value, loaded)


def _below(key: tuple[str, ...], value: Any, loaded: Loaded) -> Iterator[str]:
    header = ".".join(_name(part) for part in key)
    if isinstance(value, msgspec.Struct):
        yield from ("", f"[{header}]")
        yield from _table(value, key, loaded)
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _below((*key, str(name)), item, loaded)
    else:
        for index, item in enumerate(value):
            where = loaded.where((*key, index))
            yield from ("", f"[[{header}]]  # {where}")
            yield from _lines(item)


def _lines(item: msgspec.Struct) -> Iterator[str]:
    for name, field in fields(type(item)).items():
        value = getattr(item, _attribute(item, name))
        if value is not None:
            yield f"{_name(name)} = {_value(value, hidden=field.is_secret)}"


def _attribute(struct: msgspec.Struct, name: str) -> str:
    return struct.__struct_fields__[struct.__struct_encode_fields__.index(name)]


def _name(name: str) -> str:
    return name if _BARE.fullmatch(name) else _text(name)


def _text(text: str) -> str:
    """A basic string; JSON's escapes are TOML's, but for the one control character that JSON leaves as it is."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: object, *, hidden: bool = False) -> str:
    if isinstance(value, Secret):
        return _text(value.reference or HIDDEN)
    if isinstance(value, msgspec.Struct):
        return _inline(_lines(value))
    if isinstance(value, Mapping):
        return _inline(f"{_name(str(name))} = {_value(item, hidden=hidden)}" for name, item in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return "[" + ", ".join(_value(item, hidden=hidden) for item in value) + "]"
    if hidden:
        return _text(HIDDEN)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return _text(str(value))


def _inline(parts: Iterable[str]) -> str:
    text = ", ".join(parts)
    return f"{{ {text} }}" if text else "{}"
