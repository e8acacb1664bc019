"""tapewatch as a contender."""

from benchmarks.cluster.contenders import Contender


def echo() -> Contender:
    """Nothing between producer and reader: what two hops through the broker cost by themselves."""
    return Contender("echo", lambda _: [])
