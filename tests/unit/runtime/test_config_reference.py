from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pytest
from msgspec import Meta

from tapewatch.model.secret import Secret
from tapewatch.runtime.config.reference import reference, undocumented
from tapewatch.runtime.config.schema import accepts, docs, known_keys, leaves
from tapewatch.runtime.config.settings import Settings

PAGE = Path(__file__).parents[3] / "docs" / "settings.md"


class Example(msgspec.Struct):
    beside: int = 1  # said beside it
    under: int = 2
    """Said
    under it."""
    inside: Annotated[int, Meta(description="said inside")] = 3  # not this


class One(msgspec.Struct, tag_field="kind", tag="one"):
    a: int = 0


class Two(msgspec.Struct, tag_field="kind", tag="two"):
    b: int = 0


def test_the_page_says_what_the_code_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), "run tools/make_settings_docs.py"


def test_every_key_has_a_text() -> None:
    assert undocumented() == []


def test_every_key_of_every_section_stands_on_the_page() -> None:
    page = reference()
    for key, field in leaves(Settings):
        assert f"`{field.name}`" in page or f"[{'.'.join(key)}" in page


def test_texts_come_from_description_string_or_comment() -> None:
    assert docs(Example) == {"beside": "said beside it", "under": "Said under it.", "inside": "said inside"}


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (int, "a whole number"),
        (Annotated[int, Meta(ge=1)] | None, "a whole number of at least 1"),
        (Annotated[float, Meta(gt=0, le=60)], "a number above 0 and at most 60"),
        (Annotated[int, Meta(ge=0, le=9)], "a whole number from 0 to 9"),
        (tuple[str, ...], "a list of text"),
        (dict[str, bool], "a table of true or false"),
        (Literal["b", "a"], "one of b, a"),
        (int | str, "a whole number or text"),
        (Annotated[str, Meta(pattern="^x$")], "text like ^x$"),
        (Annotated[str, Meta(pattern="^x$", title="an x")], "an x"),
        (Path | None, "a path"),
        (Secret, "text, `file:PATH` or `env:NAME` (a secret)"),
        (Example | None, "a table"),
    ],
)
def test_what_a_key_accepts_is_said_in_words(annotation: object, words: str) -> None:
    assert accepts(annotation) == words


def test_a_tagged_union_knows_its_tag_and_the_keys_of_all_its_members() -> None:
    assert set(known_keys((One, Two))) == {"kind", "a", "b"}
