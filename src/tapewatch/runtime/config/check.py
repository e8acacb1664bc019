"""Checks one tree of raw values against structs: unknown keys, missing keys, wrong types. All at once, none raised."""

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, get_args, get_origin

import msgspec

from tapewatch.model.errors import InputError
from tapewatch.runtime.config.problems import Problem, did_you_mean
from tapewatch.runtime.config.schema import Field, Struct, accepts, alternatives, known_keys
from tapewatch.runtime.config.tomlfile import Key

Hook = Callable[[type, Any], Any]  # Any: msgspec's decoding hook takes and gives whatever the type wants
Where = Callable[[Key], str]
_MISSING = object()


def spell(key: Key) -> str:
    """`notify.webhooks[1].url`, as messages write a key."""
    text = ""
    for part in key:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


@dataclass(frozen=True, slots=True)
class Checker:
    """Holds what a check needs everywhere: where a key stands, how odd types are read, whether text is for numbers."""

    where: Where
    hook: Hook
    lax: bool

    def table(self, data: object, structs: tuple[Struct, ...], key: Key = ()) -> Iterator[Problem]:
        """Problems of what has to be one of `structs`, in the order of the file. Values of secrets are not shown."""
        if not isinstance(data, dict):
            yield Problem(self.where(key), f"{spell(key)} must be a table, got {_shown(data)}")
            return
        known = known_keys(structs)
        for name, value in data.items():
            here = (*key, name)
            if name in known:
                yield from self._value(value, known[name], here)
            else:
                yield Problem(self.where(here), f"unknown key {spell(here)}{did_you_mean(name, known)}")

    def _value(self, value: object, field: Field, key: Key) -> Iterator[Problem]:
        if field.tables and isinstance(value, dict):
            yield from self.table(value, field.tables, key)
        elif field.items and isinstance(value, list):
            for index, item in enumerate(value):
                yield from self.table(item, field.items, (*key, index))
        elif field.values and isinstance(value, dict):
            for name, item in value.items():
                yield from self.table(item, field.values, (*key, name))
        elif isinstance(value, dict) and (inside := _dict_value(field)) is not None:
            for name, item in value.items():
                yield from self._leaf(item, inside, (*key, name))
        else:
            yield from self._leaf(value, field, key)

    def _leaf(self, value: object, field: Field, key: Key) -> Iterator[Problem]:
        try:
            converted = msgspec.convert(value, field.annotation, strict=not self.lax, dec_hook=self.hook)
        except InputError as error:
            yield Problem(self.where(key), f"{spell(key)}: {error}")
        except (msgspec.ValidationError, RecursionError):
            got = "something else" if field.is_secret else _shown(value)
            yield Problem(self.where(key), f"{spell(key)} must be {accepts(field.annotation)}, got {got}")
        else:
            if isinstance(converted, float) and not math.isfinite(converted):
                yield Problem(self.where(key), f"{spell(key)} must be a finite number, got {converted}")


def _dict_value(field: Field) -> Field | None:
    """The values of a table of free keys, as a field of its own."""
    for part in alternatives(field.annotation):
        if get_origin(part) is dict:
            return Field(field.name, get_args(part)[1], msgspec.NODEFAULT)
    return None


def _shown(value: object) -> str:
    """A value as the file could have written it, cut short."""
    if isinstance(value, dict):
        return "a table"
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."


def missing(data: dict[str, Any], structs: tuple[Struct, ...], where: Where, key: Key = ()) -> Iterator[Problem]:
    """Problems of required keys that a complete tree, free of other problems, still lacks."""
    for name, field in known_keys(structs).items():
        value = data.get(name, _MISSING)
        here = (*key, name)
        if value is _MISSING:
            if field.required and len(structs) == 1:
                yield Problem(where(key), f"{spell(here)} is missing: it must be {accepts(field.annotation)}")
        elif field.tables and isinstance(value, dict):
            yield from missing(value, field.tables, where, here)
        elif field.items and isinstance(value, list | tuple):
            for index, item in enumerate(value):
                yield from missing(item, field.items, where, (*here, index))
        elif field.values and isinstance(value, dict):
            for item_name, item in value.items():
                yield from missing(item, field.values, where, (*here, item_name))
