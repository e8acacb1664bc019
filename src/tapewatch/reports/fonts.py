"""The fonts of paged reports, all from packages: never the system's, which differ from machine to machine.

typst brings Libertinus Serif (Latin, Greek, Cyrillic). The Noto fonts of two packages have nearly all other scripts in
use, symbols and emoji. What none of them has is printed as its code, e.g. U+0F56: a box would say nothing.
"""

import re
import unicodedata
from functools import cache
from importlib.resources import files
from pathlib import Path

import typst

PACKAGES = ("noto_cjk_sans_jp_regular", "manimgx_fonts")
_RARE = re.compile(r"[^\x00-\u024f\u2010-\u2027\u2212]")  # but Latin, dashes, quotes and minus, which every font has
_INVISIBLE = {"Cf", "Zs"}  # joiners, places to break a line, spaces: no font needs a picture of them


@cache
def fonts() -> typst.Fonts:
    """Those that typst brings, and those of the packages."""
    return typst.Fonts(include_system_fonts=False, font_paths=[str(files(name)) for name in PACKAGES])


def printable(text: str) -> str:
    """The text with the code of each character in place of those that no font of the packages has.

    The fonts' tables are read where a text goes beyond Latin: that takes 0.2 s, once a process.

    >>> printable("เหรียญ 🚀 \\U00012000")
    'เหรียญ 🚀 U+12000'
    """
    return _RARE.sub(_or_code, text)


def _or_code(match: re.Match[str]) -> str:
    character = match[0]
    if unicodedata.category(character) in _INVISIBLE or ord(character) in _characters():
        return character
    return f"U+{ord(character):04X}"


@cache
def _characters() -> frozenset[int]:
    from fontTools.ttLib import TTFont

    paths = [path for name in PACKAGES for path in Path(str(files(name))).glob("*.[ot]tf")]
    return frozenset(code for path in paths for code in TTFont(path, lazy=True).getBestCmap())
