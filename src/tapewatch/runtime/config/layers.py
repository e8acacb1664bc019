"""The places that settings come from, low to high: built-in defaults, a file, the environment, flags.

A layer is a tree of raw values that remembers where each of them stands, so that an error can say so.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, get_args, get_origin

from tapewatch.model.errors import InputError
from tapewatch.runtime.config.problems import Problem, nearest
from tapewatch.runtime.config.schema import Field, Struct, alternatives, known_keys
from tapewatch.runtime.config.tomlfile import Key, TomlFile

PREFIX = "TAPEWATCH_"
CONFIG_VARIABLE = "TAPEWATCH_CONFIG"
CACHE_VARIABLE = "TAPEWATCH_CACHE_DIR"  # read by the kernel cache itself: detection knows no settings
NOT_SETTINGS = (CONFIG_VARIABLE, CACHE_VARIABLE, "TAPEWATCH_SHARED_DATA", "TAPEWATCH_REQUIRE_SERVERS")
# The last two are for the test suite.
# Kubernetes gives every pod variables about each service; for one named tapewatch they start with our prefix.
_SERVICE_LINK = re.compile(
    r"TAPEWATCH_(?:[A-Z0-9]+_)*?(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT_\d+_(?:TCP|UDP|SCTP)(?:_[A-Z]+)?)"
)


class Layer(Protocol):
    """One source of settings."""

    @property
    def data(self) -> dict[str, Any]:
        """Raw values by section and key."""
        ...

    @property
    def lax(self) -> bool:
        """Whether values are text that still has to be read as numbers and so on."""
        ...

    def where(self, key: Key) -> str:
        """Where a key of `data` stands, as a person would look for it."""
        ...


@dataclass(frozen=True, slots=True)
class FileLayer:
    """`tapewatch.toml`."""

    file: TomlFile
    lax: Literal[False] = False

    @property
    def data(self) -> dict[str, Any]:
        return self.file.data

    def where(self, key: Key) -> str:
        return self.file.where(key)


@dataclass(frozen=True, slots=True)
class TextLayer:
    """Environment variables or flags: single values, each with a name."""

    data: dict[str, Any] = field(default_factory=dict)
    names: dict[Key, str] = field(default_factory=dict)
    lax: Literal[True] = True

    def where(self, key: Key) -> str:
        for end in range(len(key), 0, -1):
            if key[:end] in self.names:
                return self.names[key[:end]]
        return ""

    def put(self, key: tuple[str, ...], value: object, name: str) -> None:
        """Store one value under its key."""
        node = self.data
        for part in key[:-1]:
            node = node.setdefault(part, {})
        node[key[-1]] = value
        self.names[key] = name


def environment_layer(environ: Mapping[str, str], root: Struct) -> tuple[TextLayer, list[Problem]]:
    """`TAPEWATCH_API__PORT=9000` sets `api.port`: a double underscore goes one level down, an empty value is none.

    Variables that start with the prefix and name nothing are problems, save what Kubernetes adds by itself.
    """
    layer = TextLayer()
    problems: list[Problem] = []
    for variable in sorted(environ):
        text = environ[variable]
        if not variable.startswith(PREFIX) or variable in NOT_SETTINGS or not text or _is_service_link(variable, text):
            continue
        key = tuple(part.lower() for part in variable.removeprefix(PREFIX).split("__"))
        problems += _put_text(layer, root, key, text, variable)
    return layer, problems


def _is_service_link(variable: str, text: str) -> bool:
    if variable.endswith("_PORT") and re.match(r"(tcp|udp|sctp)://", text):
        return True
    return _SERVICE_LINK.fullmatch(variable) is not None


@dataclass(frozen=True, slots=True)
class Flag:
    """A command-line option that stands for a setting; `value` None means that it was not given."""

    name: str  # --port
    key: str  # api.port
    value: object


def flag_layer(flags: list[Flag], assignments: list[str], root: Struct) -> tuple[TextLayer, list[Problem]]:
    """Flags, and `--set KEY=VALUE` assignments, which come after them."""
    layer = TextLayer()
    problems: list[Problem] = []
    for flag in flags:
        if flag.value is not None:
            layer.put(tuple(flag.key.split(".")), flag.value, flag.name)
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or not name.strip():
            raise InputError(f"--set {assignment.split('=')[0]}: write it as KEY=VALUE, e.g. --set api.port=9000")
        key = tuple(part.strip() for part in name.split("."))
        problems += _put_text(layer, root, key, text.strip(), f"--set {name.strip()}")
    return layer, problems


def _put_text(layer: TextLayer, root: Struct, key: tuple[str, ...], text: str, name: str) -> list[Problem]:
    field = _find(root, key)
    if field is None:
        return [Problem(name, f"there is no setting {'.'.join(key)}{_suggest(root, key, name)}")]
    try:
        value = _read_text(field, text)
    except ValueError as error:
        return [Problem(name, f"{'.'.join(key)}: {error}")]
    layer.put(key, value, name)
    return []


def _find(root: Struct, key: tuple[str, ...]) -> Field | None:
    """The key of the settings, or of a table of free keys inside (`feed.mapping.close`)."""
    structs: tuple[Struct, ...] = (root,)
    for position, name in enumerate(key):
        found = known_keys(structs).get(name)
        rest = key[position + 1 :]
        if found is None or not rest:
            return found
        structs = found.tables
        if not structs:
            free = [part for part in alternatives(found.annotation) if get_origin(part) is dict]
            return Field(".".join(rest), get_args(free[0])[1], None) if free and len(rest) == 1 else None
    return None


def _read_text(field: Field, text: str) -> object:
    """Text as what the key wants to be read from: lists and tables are JSON, lists of text may be comma separated."""
    origins = {get_origin(part) for part in alternatives(field.annotation)}
    wants_list = bool(origins & {list, tuple, set, frozenset})
    wants_table = bool(field.tables) or dict in origins
    if wants_list and not text.lstrip().startswith("["):
        if field.items:
            raise ValueError("a list of tables has to be JSON, e.g. [{...}]")
        return [part.strip() for part in text.split(",") if part.strip()]
    if not (wants_list or wants_table):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("not valid JSON") from None


def _one_level_down(part: str, known: Mapping[str, Field]) -> str | None:
    """What was meant where one underscore stands for two: `api_port`, and `api_prot`, are `api__port`."""
    cuts = (i for i, letter in enumerate(part) if letter == "_" and part[:i] in known)
    found = ((part[:i], nearest(part[i + 1 :], known_keys(known[part[:i]].tables))) for i in cuts)
    return next((f"{section}__{key}" for section, key in found if key is not None), None)


def _suggest(root: Struct, key: tuple[str, ...], name: str) -> str:
    structs: tuple[Struct, ...] = (root,)
    for position, part in enumerate(key):
        known = known_keys(structs)
        if part not in known:
            near = nearest(part, known)
            if name.startswith(PREFIX) and (meant := _one_level_down(part, known)) is not None:
                return f"; did you mean {PREFIX}{'__'.join((*key[:position], meant, *key[position + 1 :])).upper()}?"
            if near is None:
                return ""
            if name.startswith(PREFIX):
                return f"; did you mean {PREFIX}{'__'.join((*key[:position], near)).upper()}?"
            return f"; did you mean {'.'.join((*key[:position], near))}?"
        structs = known[part].tables
    return ""
