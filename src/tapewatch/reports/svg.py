"""The few SVG elements that charts are drawn with: numbers cut to two decimals, texts escaped."""

import re
from xml.sax.saxutils import escape

_FORBIDDEN = re.compile(r"[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
Point = tuple[float, float]


def number(value: float) -> str:
    """A coordinate with at most two decimals.

    >>> number(3.0), number(2.519)
    ('3', '2.52')
    """
    return f"{value:.2f}".rstrip("0").rstrip(".")


def clean(text: str) -> str:
    """The text with every character that XML 1.0 forbids replaced by U+FFFD."""
    return _FORBIDDEN.sub("\ufffd", text)


def line(start: Point, end: Point, colour: str, width: float, dashes: str | None = None) -> str:
    """A straight line; `dashes` as in stroke-dasharray."""
    (x1, y1), (x2, y2) = start, end
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    ends = f'x1="{number(x1)}" y1="{number(y1)}" x2="{number(x2)}" y2="{number(y2)}"'
    return f'<line {ends} stroke="{colour}" stroke-width="{number(width)}"{dashed}/>'


def rect(at: Point, size: Point, fill: str, *, stroke: str | None = None, radius: float = 0.0) -> str:
    """A rectangle by its upper left corner, width and height."""
    edge = f' stroke="{stroke}" stroke-width="0.8"' if stroke else ""
    corner = f' rx="{number(radius)}"' if radius else ""
    place = f'x="{number(at[0])}" y="{number(at[1])}" width="{number(size[0])}" height="{number(size[1])}"'
    return f'<rect {place} fill="{fill}"{edge}{corner}/>'


def triangle(tip: Point, height: float, colour: str) -> str:
    """A triangle that points at `tip` from below; from above where `height` is negative."""
    x, y = tip
    corners = f"{number(x)},{number(y)} {number(x - 4)},{number(y + height)} {number(x + 4)},{number(y + height)}"
    return f'<polygon points="{corners}" fill="{colour}"/>'


def text(
    at: Point, content: str, colour: str, size: float = 9.0, *, anchor: str = "start", weight: str = "normal"
) -> str:
    """One line of text; `content` may come from anywhere."""
    return (
        f'<text x="{number(at[0])}" y="{number(at[1])}" fill="{colour}" font-size="{number(size)}" '
        f'text-anchor="{anchor}" font-weight="{weight}">{escape(clean(content))}</text>'
    )
