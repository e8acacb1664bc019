"""The reference page of the settings, made from the structs: keys, what they accept, defaults, texts."""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from tapewatch.runtime.config.schema import Field, Struct, accepts, docs, fields
from tapewatch.runtime.config.settings import Settings

INTRODUCTION = """# Settings

Made from the code by `tools/make_settings_docs.py`; a test holds the two together.

Settings come from four places; the later wins, key by key (a list is replaced as a whole):

1. the defaults below;
2. a file: `--config FILE`, else what `TAPEWATCH_CONFIG` names, else `tapewatch.toml` in the current folder;
3. environment variables: `TAPEWATCH_API__PORT=9000` sets `api.port`, two underscores go one level down. Lists of
   text are separated by commas or JSON, tables and lists of tables are JSON; an empty variable counts as not set;
4. flags of the command, then `--set KEY=VALUE`.

`tapewatch config show` prints the effective settings, each with where it came from. A key that does not exist, or a
value of the wrong type, is an error that names file and line (or the variable, or the flag) and the nearest key.

Paths in a file are relative to its folder, all others to the current folder. A **secret** is never shown; instead of
its text one can write `file:PATH` (the file's content without white space around it) or `env:NAME` (the value of a
variable).
"""


def reference() -> str:
    """The whole page, as Markdown. Reads the source of the structs: for the documentation tool, not for a service."""
    lines = [INTRODUCTION.rstrip(), ""]
    for title, text, struct in _sections(Settings, ()):
        lines += [title, ""]
        if text:
            lines += [text, ""]
        lines += [*_rows(struct), ""]
    return "\n".join(lines).rstrip() + "\n"


def _sections(struct: Struct, key: tuple[str, ...]) -> Iterator[tuple[str, str, Struct]]:
    header = f"## `[{'.'.join(key)}]`" if key else "## At the top of the file"
    yield header, _summary(struct), struct
    yield from _below(struct, key)


def _below(struct: Struct, key: tuple[str, ...]) -> Iterator[tuple[str, str, Struct]]:
    for name, field in fields(struct).items():
        here = (*key, name)
        for table in field.tables:
            yield from _sections(table, here)
        for item in (*field.items, *field.values):
            spelled = ".".join(here)
            title = f"## `[[{spelled}]]`" if field.items else f"## `[{spelled}.NAME]`"
            yield title, _summary(item), item
            yield from _below(item, here)


def _summary(struct: Struct) -> str:
    return (inspect.getdoc(struct) or "").split("\n\n", maxsplit=1)[0].replace("\n", " ")


def _rows(struct: Struct) -> Iterator[str]:
    texts = docs(struct)
    plain = [field for field in fields(struct).values() if field.is_leaf]
    if plain:
        yield "| key | accepts | default | |"
        yield "| --- | --- | --- | --- |"
    for field in plain:
        cells = (f"`{field.name}`", accepts(field.annotation), _default(field), texts.get(field.name, ""))
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _default(field: Field) -> str:
    if field.required:
        return "required"
    if field.default is None:
        return ""
    return f"`{_spelled(field.default)}`"


def _spelled(value: Any) -> str:  # Any: a default of any type that settings have
    if isinstance(value, Path):
        value = str(value)
    return msgspec.json.encode(value).decode()


def undocumented() -> list[str]:
    """Keys that the page has no text for."""
    found: list[str] = []
    for title, _, struct in _sections(Settings, ()):
        found += [
            f"{title} {name}" for name, field in fields(struct).items() if field.is_leaf and not docs(struct)[name]
        ]
    return found
