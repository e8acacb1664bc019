"""How kernels are compiled: one decorator, so that every kernel has the same rules of arithmetic and its types are
kept."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

Row = Any
"""A record of a structured array, or an array of them: Numba gives it its type, which Python cannot spell."""

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compile for the machine at the first call: IEEE arithmetic (no fastmath), division by zero gives inf or NaN."""
    return cast(F, njit(error_model="numpy")(function))
