"""How this package compiles: without the interpreter's lock, so that other threads run meanwhile; kept on disk."""

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import njit

from tapewatch.detection.kernel import load_generated

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compile with Numba at the first call, or as a part of what calls it."""
    return cast(F, njit(function, nogil=True, error_model="numpy"))


@cache
def kept(function: Callable[..., Any], *modules: str) -> Callable[..., Any]:
    """An entry to a compiled function whose machine code is kept on disk; `modules` are those that it is made of.

    Seconds the first time, milliseconds from the cache.
    """
    text = f"""from numba import njit

from {function.__module__} import {function.__name__} as function


@njit(nogil=True, cache=True, error_model="numpy")
def run(*arguments):
    return function(*arguments)
"""
    run: Callable[..., Any] = load_generated(text, [Path(sys.modules[m].__file__ or "") for m in modules]).run
    return run
