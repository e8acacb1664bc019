"""How kernels are compiled: one decorator, so that every kernel has the same rules of arithmetic and its types are
kept."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

Row = Any
"""A record of a structured array, or an array of them: Numba gives it its type, which Python cannot spell."""

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compile for the machine at the first call: IEEE arithmetic (no fastmath), division by zero gives inf or NaN.

    The function becomes a part of whatever calls it: a tick goes through a dozen of them, and a call would cost more
    than what most of them do.
    """
    return cast(F, njit(error_model="numpy", forceinline=True)(function))


def compiled_apart(function: F) -> F:
    """The same for what few ticks come to: a function of its own, so that the common way stays short.

    It has to be said: a function for which nothing is said is forced into its caller where the caller is into its own.
    """
    return cast(F, njit(error_model="numpy", forceinline=False)(function))
