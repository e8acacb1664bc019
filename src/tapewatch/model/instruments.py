"""Venue and symbol: where something trades and its name there."""

import msgspec

SHORTEST_BASE = {"TUSD": 3}
"""Letters that have to stand before a quote currency in a pair without a slash: XBTUSD and DOTUSD are in USD, and coins
of two letters against TUSD are rare."""


class Instrument(msgspec.Struct, frozen=True, order=True):
    """One symbol on one venue: `XNAS` (ISO 10383) for stocks, CCXT names (`binance`) for crypto venues."""

    venue: str
    symbol: str

    def __str__(self) -> str:
        return f"{self.venue}:{self.symbol}"


def upper_symbol(text: str) -> str:
    """A symbol as feeds and stores spell it, whatever the case that somebody typed: `tsla` is TSLA.

    >>> upper_symbol(" tsla "), upper_symbol("btc/usdt")
    ('TSLA', 'BTC/USDT')
    """
    return text.strip().upper()


def default_venue(symbol: str) -> str:
    """The venue taken where nobody named one: `binance` for a pair with a slash, else `XNAS`.

    >>> default_venue("BTC/USDT"), default_venue("TSLA")
    ('binance', 'XNAS')
    """
    return "binance" if "/" in symbol else "XNAS"
