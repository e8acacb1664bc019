"""What is wrong with a file, a variable or a flag, in one line each."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from tapewatch.model.errors import InputError


@dataclass(frozen=True, slots=True)
class Problem:
    """`where` is a file and line, a variable or a flag."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that a mistyped one most resembles."""
    by_fold = {candidate.casefold().replace("-", "_"): candidate for candidate in known}
    found = difflib.get_close_matches(name.casefold().replace("-", "_"), by_fold, n=1, cutoff=0.6)
    return by_fold[found[0]] if found else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean port?`, else `; known: a, b, c`."""
    names = sorted(known)
    near = nearest(name, names)
    return f"; did you mean {near}?" if near else f"; known: {', '.join(names)}"


def refuse(problems: list[Problem]) -> None:
    """Raise one InputError with a line for each problem; do nothing where there is none."""
    if problems:
        raise InputError("\n".join(str(problem) for problem in problems))
