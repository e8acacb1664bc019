"""What can be set: walks the structs of the settings, names every key and says in words what it accepts."""

import ast
import inspect
import io
import re
import textwrap
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec import inspect as mi

from tapewatch.model.secret import Secret

Struct = type[msgspec.Struct]
_SECRET_NAME = re.compile(r"password|passwd|secret|token|credential|(^|_)hash(es)?$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Field:
    """One key of a section. `default` is `msgspec.NODEFAULT` where the key is required."""

    name: str
    annotation: Any  # a type expression: has no common type
    default: Any  # of any of the types that settings have

    @property
    def required(self) -> bool:
        return self.default is msgspec.NODEFAULT

    @property
    def tables(self) -> tuple[Struct, ...]:
        """The structs that the value is a table of: `[api]`. Several for a tagged union."""
        return tuple(part for part in alternatives(self.annotation) if _is_struct(part))

    @property
    def items(self) -> tuple[Struct, ...]:
        """The structs that the value is a list of tables of: `[[notify.webhooks]]`."""
        return self._inside(list, tuple, set, frozenset, position=0)

    @property
    def values(self) -> tuple[Struct, ...]:
        """The structs that the value is a table of named tables of: `[reports.schedules.NAME]`."""
        return self._inside(dict, position=1)

    @property
    def is_leaf(self) -> bool:
        return not (self.tables or self.items or self.values)

    @property
    def is_secret(self) -> bool:
        """Whether its value may not be shown: by type, or by its name where the type does not say so."""
        return any(part is Secret for part, _ in _parts(self.annotation)) or bool(_SECRET_NAME.search(self.name))

    @property
    def is_path(self) -> bool:
        """Whether its value, or each of its values, is a path, relative to the file that it stands in."""
        return any(
            part is Path or any(isinstance(m, msgspec.Meta) and (m.extra or {}).get("path") for m in metas)
            for part, metas in _parts(self.annotation)
        )

    def _inside(self, *origins: type, position: int) -> tuple[Struct, ...]:
        found: list[Struct] = []
        for part in alternatives(self.annotation):
            if get_origin(part) in origins:
                found += [p for p in alternatives(get_args(part)[position]) if _is_struct(p)]
        return tuple(found)


def _parts(annotation: Any, metas: tuple[Any, ...] = ()) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """Every type inside a type, each with what `Annotated` says about it."""
    if get_origin(annotation) is Annotated:
        yield from _parts(get_args(annotation)[0], get_args(annotation)[1:])
    elif get_origin(annotation) is Literal:
        yield annotation, metas
    else:
        yield annotation, metas
        for part in get_args(annotation):
            yield from _parts(part)


def _is_struct(part: object) -> bool:
    return isinstance(part, type) and issubclass(part, msgspec.Struct)


def alternatives(annotation: Any) -> tuple[Any, ...]:
    """The members of a union, `Annotated` taken off; a single type is its own only member."""
    if get_origin(annotation) is Annotated:
        return alternatives(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return tuple(part for member in get_args(annotation) for part in alternatives(member))
    return (annotation,)


@cache
def fields(struct: Struct) -> dict[str, Field]:
    """The keys of a section, in their order."""
    found: dict[str, Field] = {}
    for info in msgspec.structs.fields(struct):
        default = info.default
        if default is msgspec.NODEFAULT and info.default_factory is not msgspec.NODEFAULT:
            default = info.default_factory()
        found[info.encode_name] = Field(info.encode_name, info.type, default)
    return found


def known_keys(structs: tuple[Struct, ...]) -> dict[str, Field]:
    """The keys that any of the structs has, with the tag that tells a union's structs apart."""
    found: dict[str, Field] = {}
    for struct in structs:
        config = struct.__struct_config__
        if config.tag is not None and config.tag_field is not None:
            tags = tuple(s.__struct_config__.tag for s in structs)
            found[config.tag_field] = Field(config.tag_field, Literal[tags], msgspec.NODEFAULT)
        found.update(fields(struct))
    return found


def leaves(struct: Struct, prefix: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Field]]:
    """Every key below `struct` that holds a value, a list of tables or a table of named tables."""
    for name, field in fields(struct).items():
        if field.tables:
            for table in field.tables:
                yield from leaves(table, (*prefix, name))
        else:
            yield (*prefix, name), field


def accepts(annotation: Any) -> str:
    """What a type accepts, in words: `a whole number from 1 to 65535`, `a list of text`."""
    members = [part for part in alternatives(annotation) if part is not NoneType]
    if any(_is_struct(part) for part in members):
        return "a table"
    if len(members) == 1 and get_origin(members[0]) is Literal:  # msgspec would sort the values
        return "one of " + ", ".join(str(value) for value in get_args(members[0]))
    return _words(mi.type_info(annotation))


def _words(info: mi.Type) -> str:
    simple: dict[type, str] = {
        mi.StrType: "text",
        mi.BoolType: "true or false",
        mi.AnyType: "anything",
        mi.DateTimeType: "a time with a zone, e.g. 2026-11-23T08:00:00Z",
        mi.StructType: "a table",
    }
    if isinstance(info, mi.Metadata):
        return str((info.extra_json_schema or {}).get("title") or _words(info.type))
    if isinstance(info, mi.IntType | mi.FloatType):
        return ("a whole number" if isinstance(info, mi.IntType) else "a number") + _bounds(info)
    if isinstance(info, mi.StrType) and info.pattern is not None:
        return f"text like {info.pattern}"
    if isinstance(info, mi.LiteralType):
        return "one of " + ", ".join(str(value) for value in info.values)
    if isinstance(info, mi.UnionType):
        parts = [part for part in info.types if not isinstance(part, mi.NoneType)]
        return " or ".join(dict.fromkeys(_words(part) for part in parts))
    if isinstance(info, mi.DictType):
        return f"a table of {_words(info.value_type)}"
    if isinstance(info, mi.CollectionType):
        least = " with at least one entry" if info.min_length else ""
        return f"a list of {_words(info.item_type)}{least}"
    if isinstance(info, mi.TupleType):
        return "a list of " + ", ".join(_words(part) for part in info.item_types)
    if isinstance(info, mi.CustomType):
        return {Path: "a path", Secret: "text, `file:PATH` or `env:NAME` (a secret)"}.get(info.cls, info.cls.__name__)
    return simple.get(type(info), type(info).__name__.removesuffix("Type").lower())


def _bounds(info: mi.IntType | mi.FloatType) -> str:
    if info.ge is not None and info.le is not None:
        return f" from {info.ge} to {info.le}"
    parts = ((info.ge, "at least"), (info.gt, "above"), (info.le, "at most"), (info.lt, "below"))
    said = " and ".join(f"{word} {bound}" for bound, word in parts if bound is not None)
    return (" of " if said.startswith("at") else " ") + said if said else ""


@cache
def docs(struct: Struct) -> dict[str, str]:
    """The text of each key: `Meta(description=...)`, else the string under the field, else the comment beside it.

    Reads the source of the class: for the reference page, not for a running service.
    """
    found: dict[str, str] = {}
    for base in reversed(struct.__mro__):
        if _is_struct(base) and base is not msgspec.Struct:
            found |= _docs_in_source(textwrap.dedent(inspect.getsource(base)))
    for name, field in fields(struct).items():
        if get_origin(field.annotation) is Annotated:
            for meta in get_args(field.annotation)[1:]:
                found[name] = getattr(meta, "description", None) or found.get(name, "")
    return found


def _docs_in_source(source: str) -> dict[str, str]:
    comments = {
        token.start[0]: token.string.lstrip("# ")
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    body = next(node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)).body
    found: dict[str, str] = {}
    for node, following in zip(body, [*body[1:], None], strict=True):
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        text = comments.get(node.end_lineno or node.lineno, "")
        if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
            text = " ".join(str(following.value.value).split())
        found[node.target.id] = text
    return found
