"""How numbers and outside texts are written in a report for people."""

import math
import re

from tapewatch.model.prices import price_text

MINUS = "\u2212"
WIDE = 40  # characters without a space that fit a wide column
# Control characters, halves of characters, and those that change the order or the look of what stands around them.
_INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]+")


def plain(text: str, limit: int) -> str:
    """One line of visible characters, at most `limit` of them; an ellipsis shows where more was cut off.

    >>> plain("a\\nb", 10), plain("abcdef", 4)
    ('a b', 'abc…')
    """
    visible = _INVISIBLE.sub(" ", text).strip()
    return visible if len(visible) <= limit else visible[: limit - 1].rstrip() + "…"


def breakable(text: str, run: int) -> str:
    """The text with a place to break the line after every `run` characters without a space: a name of 64 letters must
    not run over the column beside it. Never before a mark that belongs to the letter before it.

    >>> breakable("AB CDEFG", 3)
    'AB CDE\\u200bFG'
    """
    return re.sub(rf"(\S{{{run}}})(?=[!-~]|\w)", "\\1\u200b", text)


def sentence(text: str) -> str:
    """An alert's message as it is printed: at most 600 characters, true minus signs, no line that begins with a %.

    >>> sentence("A-1 moved -3.00 % within 60 s")
    'A-1 moved −3.00\\xa0% within 60 s'
    """
    return breakable(re.sub(r"(?<=[ (])-(?=\d)", MINUS, plain(text, 600)).replace(" %", "\xa0%"), WIDE)


def count(n: int, one: str, many: str | None = None) -> str:
    """A number with its noun.

    >>> count(1, "alert"), count(12000, "alert"), count(0, "category", "categories")
    ('1 alert', '12,000 alerts', '0 categories')
    """
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def percent(value: float) -> str:
    """A signed change with two decimals and a true minus sign.

    >>> percent(-5.204), percent(0.5)
    ('−5.20 %', '+0.50 %')
    """
    if not math.isfinite(value):
        return "n/a"
    return f"{value:+,.2f} %".replace("-", MINUS)


def price(value: float) -> str:
    """A price with a true minus sign.

    >>> price(97450.0), price(-37.63)
    ('97,450.00', '−37.63')
    """
    return price_text(value).replace("-", MINUS)


def rarity(days: float | None) -> str:
    """How rare such a tick is for its symbol.

    >>> rarity(234.4), rarity(None), rarity(3000.0)
    ('about once in 234 symbol-days', 'not rated', 'less than once in 1,000 symbol-days')
    """
    if days is None:
        return "not rated"
    if days > 1_000:
        return "less than once in 1,000 symbol-days"
    return f"about once in {days:,.0f} symbol-days"
