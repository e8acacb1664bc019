"""Reads a TOML file and knows on which line each key stands.

`tomllib` reports no positions. It can still be asked for them: a statement of TOML (a table header, or `key = value`)
is a document of its own, and no proper prefix of a statement that ends at a line's end is one. So the file is cut into
statements by parsing the shortest runs of lines that parse, and each statement names its keys. No lexing of our own.
"""

import re
import tomllib
from dataclasses import dataclass
from datetime import date, time
from pathlib import Path
from typing import Any

from tapewatch.model.errors import InputError

Key = tuple[str | int, ...]
MAX_BYTES = 4_000_000
_AT_LINE = re.compile(r"^(?P<what>.*) \(at (?:line (?P<line>\d+), column \d+|end of document)\)$", re.DOTALL)

_CAN_END = ("]", '"""', "'''")  # what the last line of a value of several lines has to hold


@dataclass(frozen=True, slots=True)
class TomlFile:
    """A parsed file: `data` as tomllib gives it, with times as text; `name` as errors call it."""

    path: Path
    name: str
    data: dict[str, Any]  # Any: whatever TOML can say, not yet checked
    lines: dict[Key, int]

    def line(self, key: Key) -> int | None:
        """Line (from 1) on which `key` stands, else its nearest parent's; None for a file without it."""
        for end in range(len(key), 0, -1):
            if key[:end] in self.lines:
                return self.lines[key[:end]]
        return None

    def where(self, key: Key) -> str:
        """`tapewatch.toml:12`."""
        line = self.line(key)
        return self.name if line is None else f"{self.name}:{line}"


def read_toml(path: Path, name: str | None = None) -> TomlFile:
    """Read and parse; InputError names file, line and reason. Files above 4 MB are refused."""
    name = name or str(path)
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"{name}: cannot be read: {error.strerror or error}") from None
    if len(raw) > MAX_BYTES:
        raise InputError(f"{name}: larger than {MAX_BYTES // 1_000_000} MB, which is no settings or rules file")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise InputError(f"{name}:{line}: not UTF-8 text") from None
    return parse_toml(text, name, path)


def parse_toml(text: str, name: str, path: Path | None = None) -> TomlFile:
    """Parse TOML text; InputError names line and reason."""
    text = text.replace("\r\n", "\n")
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(_syntax_error(name, error)) from None
    return TomlFile(path or Path(name), name, _times_as_text(data), _key_lines(text))


def _times_as_text(value: Any) -> Any:
    """TOML's own times, written without quotation marks, as the RFC 3339 text that settings and rules take."""
    if isinstance(value, dict):
        return {key: _times_as_text(child) for key, child in value.items()}
    if isinstance(value, list):
        return [_times_as_text(child) for child in value]
    return value.isoformat() if isinstance(value, date | time) else value


def _syntax_error(name: str, error: Exception) -> str:
    if isinstance(error, RecursionError):
        return f"{name}: nested too deeply"
    match = _AT_LINE.match(str(error))
    if match is None or match["line"] is None:
        return f"{name}: not valid TOML: {error}"
    return f"{name}:{match['line']}: not valid TOML: {match['what']}"


def _key_lines(text: str) -> dict[Key, int]:
    """First line of each key of a valid document; a table's is that of its header, else of its first key."""
    lines: dict[Key, int] = {}
    arrays: dict[Key, int] = {}  # array of tables -> index of its newest element
    table: Key = ()
    for first, statement in _statements(text):
        tree = tomllib.loads(statement)
        if statement.lstrip().startswith("["):
            table = _header(tree, arrays)
            for end in range(1, len(table) + 1):
                lines.setdefault(table[:end], first)
        else:
            for key in _keys(tree):
                lines.setdefault(table + key, first)
    return lines


def _statements(text: str) -> list[tuple[int, str]]:
    """(first line, text) of each statement of a valid document."""
    found: list[tuple[int, str]] = []
    first, run = 1, ""
    for number, line in enumerate(text.split("\n"), start=1):
        if not run:
            first = number
            if not line.strip() or line.lstrip().startswith("#"):
                continue
        more = bool(run)
        run += line + "\n"
        if more and not any(mark in line for mark in _CAN_END):
            continue  # spares parsing a long array once a line
        try:
            tomllib.loads(run)
        except tomllib.TOMLDecodeError:
            continue
        found.append((first, run))
        run = ""
    return found


def _header(tree: dict[str, Any], arrays: dict[Key, int]) -> Key:
    """Key of the table that a header opens, given the arrays of tables above it."""
    key: Key = ()
    node: Any = tree
    while isinstance(node, dict) and node:
        name, node = next(iter(node.items()))
        key += (name,)
        if isinstance(node, list):  # [[name]] is a new element, and always the last part of a header
            arrays[key] = arrays.get(key, -1) + 1
            return (*key, arrays[key])
        if key in arrays and node:  # [name.sub] belongs to the newest element
            key += (arrays[key],)
    return key


def _keys(tree: object, prefix: Key = ()) -> list[Key]:
    """Every key inside a value: parents before children."""
    children: list[tuple[str | int, Any]] = []
    if isinstance(tree, dict):
        children = list(tree.items())
    elif isinstance(tree, list):
        children = list(enumerate(tree))
    found: list[Key] = []
    for name, child in children:
        found.append((*prefix, name))
        found.extend(_keys(child, (*prefix, name)))
    return found
