"""Lua scripts, called by hash and sent again where the server does not know them (after a restart or a failover)."""

from collections.abc import Sequence
from hashlib import sha1
from importlib import resources
from typing import Any, cast

from redis.exceptions import NoScriptError

from tapewatch.stores.redis.client import answering
from tapewatch.stores.redis.lane import Lane


class Script:
    """One script of this package. All its keys must share a hash tag."""

    def __init__(self, name: str) -> None:
        self._text = resources.files(__package__).joinpath(f"{name}.lua").read_text()
        self._hash = sha1(self._text.encode(), usedforsecurity=False).hexdigest()

    def __call__(self, lane: Lane, keys: Sequence[str], args: Sequence[str | bytes | int]) -> list[Any]:
        """Run it: one round trip, two where the server does not know it. What it returns is Redis's, so Any."""
        with answering():
            try:
                reply = lane.ask("EVALSHA", self._hash, len(keys), *keys, *args)
            except NoScriptError:
                reply = lane.ask("EVAL", self._text, len(keys), *keys, *args)
        return cast("list[Any]", reply)
