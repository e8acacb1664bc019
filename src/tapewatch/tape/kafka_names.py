"""The names that Kafka sees, in one place."""

PRICES = "financial_prices"
SIGNALS = "alerts"
ALERTS = "anomaly_alerts"
DEAD_LETTERS = "dead_letters"
BREADTH = "breadth"
GROUPS = "groups"
SNAPSHOTS = "tapewatch.snapshots"
AUDIT = "tapewatch.audit"

PARTITIONS = 12
PARTITIONER = "murmur2_random"
"""The Java client's choice of a partition: whoever writes a symbol, in whatever language, reaches the same shard."""


def key_of(symbol: str) -> bytes:
    """The key of everything about a symbol: without its venue, so that the venues of one instrument share a shard.

    >>> key_of(" btc/usdt ")
    b'BTC/USDT'
    """
    return symbol.strip().upper().encode()
