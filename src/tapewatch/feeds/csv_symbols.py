"""The symbol that a file's name tells, and pairs written without a slash."""

import re
from typing import Literal

from tapewatch.model.instruments import SHORTEST_BASE, upper_symbol

Shape = Literal["klines", "trades", "bars"]
"""Binance klines, single trades, or any other bars."""

_STABLE_QUOTES = ("USDT", "USDC", "FDUSD", "BUSD", "TUSD")
_QUOTES = (*_STABLE_QUOTES, "DAI", "USD", "EUR", "GBP", "TRY", "BRL", "JPY", "BTC", "ETH", "BNB")
_BINANCE = re.compile(r"(?P<pair>[A-Z0-9]+)-(?:\d+(?:s|m|h|d|w|mo)|trades|aggTrades)-\d{4}")
_PUMP = re.compile(r"(?P<base>[A-Z0-9]+)_\d{4}-\d{2}-\d{2}_\d{2}\.\d{2}")
_LEADING = re.compile(r"[A-Za-z]+")
_SUFFIX = re.compile(r"(?:\.(?:csv|txt|tsv|gz))+$", re.IGNORECASE)


def symbol_from_file(name: str, shape: Shape) -> str | None:
    """The symbol in a file's name; None where it begins with no letter.

    Klines are of pairs, so that short quotes (BTC, EUR) are split off as well.

    >>> symbol_from_file("TSLA_1min_sample.csv", "bars"), symbol_from_file("ETHBTC-1m-2025-02.csv.gz", "klines")
    ('TSLA', 'ETH/BTC')
    >>> symbol_from_file("AST_2018-09-07_15.30.csv.gz", "trades")
    'AST/BTC'
    """
    stem = _SUFFIX.sub("", name)
    if dump := _BINANCE.match(stem):
        return split_pair(dump["pair"], _QUOTES)
    if shape == "trades" and (pump := _PUMP.fullmatch(stem)):
        return f"{pump['base']}/BTC"  # recordings of pump-and-dumps: coins against BTC on Binance
    leading = _LEADING.match(stem)
    if leading is None:
        return None
    return split_pair(leading[0].upper(), _QUOTES if shape == "klines" else _STABLE_QUOTES)


def canonical_symbol(text: str) -> str:
    """Upper case without padding, and with the slash where only a crypto pair can be meant.

    >>> canonical_symbol(" tsla "), canonical_symbol("BTCUSDT"), canonical_symbol("eth/btc")
    ('TSLA', 'BTC/USDT', 'ETH/BTC')
    """
    return split_pair(upper_symbol(text), _STABLE_QUOTES)


def split_pair(symbol: str, quotes: tuple[str, ...]) -> str:
    """Put the slash before the first of `quotes` that the symbol ends with; unchanged where it ends with none.

    >>> split_pair("ETHTUSD", ("TUSD", "USD")), split_pair("XBTUSD", ("TUSD", "USD")), split_pair("DOTUSD", ("TUSD",))
    ('ETH/TUSD', 'XBT/USD', 'DOTUSD')
    """
    if "/" in symbol:
        return symbol
    quote = next((q for q in quotes if symbol.endswith(q) and len(symbol) - len(q) >= SHORTEST_BASE.get(q, 2)), None)
    return symbol if quote is None else f"{symbol.removesuffix(quote)}/{quote}"
