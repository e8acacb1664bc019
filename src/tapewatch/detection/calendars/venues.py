"""Venues: what is known of each, by ISO 10383 code for stocks and by CCXT name for crypto."""

import re
from dataclasses import dataclass
from functools import cache
from typing import Literal

from tapewatch.detection.calendars import stored
from tapewatch.model.instruments import SHORTEST_BASE

VenueKind = Literal["stock", "crypto"]

# mic: (currency, minutes of trading before the open, minutes after the close). US extended hours are 04:00-09:30 and
# 16:00-20:00 (after a half-day until 17:00: SIFMA and exchange notices); elsewhere they hold the closing auction and
# trading at last, whose prints come after the continuous session.
_STOCKS: dict[str, tuple[str, int, int]] = {
    "XNYS": ("USD", 330, 240),
    "XTSE": ("CAD", 0, 60),
    "XMEX": ("MXN", 0, 0),
    "BVMF": ("BRL", 15, 60),
    "XBUE": ("ARS", 0, 0),
    "XLON": ("GBP", 10, 10),
    "XDUB": ("EUR", 0, 12),
    "XETR": ("EUR", 0, 10),
    "XFRA": ("EUR", 0, 0),
    "XPAR": ("EUR", 0, 10),
    "XAMS": ("EUR", 0, 10),
    "XBRU": ("EUR", 0, 10),
    "XLIS": ("EUR", 0, 10),
    "XMIL": ("EUR", 0, 10),
    "XMAD": ("EUR", 0, 10),
    "XSWX": ("CHF", 0, 20),
    "XWBO": ("EUR", 0, 10),
    "XSTO": ("SEK", 0, 10),
    "XCSE": ("DKK", 0, 10),
    "XHEL": ("EUR", 0, 10),
    "XOSL": ("NOK", 0, 10),
    "XICE": ("ISK", 0, 10),
    "XWAR": ("PLN", 0, 5),
    "XPRA": ("CZK", 0, 10),
    "XBUD": ("HUF", 0, 10),
    "XIST": ("TRY", 20, 10),
    "XSAU": ("SAR", 0, 20),
    "XJSE": ("ZAR", 0, 10),
    "XTKS": ("JPY", 0, 0),
    "XHKG": ("HKD", 30, 10),
    "XSHG": ("CNY", 15, 0),
    "XKRX": ("KRW", 0, 0),
    "XTAI": ("TWD", 0, 0),
    "XSES": ("SGD", 0, 16),
    "XBOM": ("INR", 15, 30),
    "XKLS": ("MYR", 0, 0),
    "XBKK": ("THB", 0, 10),
    "XIDX": ("IDR", 0, 25),
    "XPHS": ("PHP", 0, 0),
    "XASX": ("AUD", 0, 12),
    "XNZE": ("NZD", 0, 15),
}

# Venues and segments that keep another exchange's hours.
_KEEP_HOURS_OF = {
    "XNYS": "XNAS XNGS XNMS XNCM ARCX XASE BATS BATY EDGX EDGA IEXG XBOS XPHL XPSX XCHI XCIS MEMX EPRL LTSE OTCM",
    "XTSE": "XTSX NEOE XCNQ",
    "XMIL": "MTAA",
    "XSHG": "XSHE",
    "XBOM": "XNSE",
    "XKRX": "XKOS",
    "XASX": "CHIA",
}
_ALIASES = {alias: exchange for exchange, aliases in _KEEP_HOURS_OF.items() for alias in aliases.split()}

_MIC = re.compile(r"[A-Z0-9]{4}")

# Quote currencies of pairs written without a slash; the longer ones come first, so that BTCFDUSD is not read as USD.
_QUOTES = "FDUSD USDT USDC BUSD TUSD USDP USDD DAI USD EUR GBP JPY KRW TRY BRL AUD CHF CAD BTC XBT ETH BNB"


@dataclass(frozen=True, slots=True)
class VenueInfo:
    """What is known of a venue.

    `calendar` names the exchange whose hours it keeps; empty for crypto, and for a stock venue that is not known.
    `currency` is that of its stocks, empty where the symbol tells it (crypto) or nobody does.
    """

    mic: str
    zone: str  # IANA
    currency: str
    kind: VenueKind
    calendar: str = ""
    pre_min: int = 0  # minutes that the phase PRE begins before the open
    post_min: int = 0  # minutes that the phase POST goes on after the close

    @property
    def known(self) -> bool:
        """Whether its hours are known; crypto never closes, which is known."""
        return self.kind == "crypto" or bool(self.calendar)


@cache
def venue_info(venue: str) -> VenueInfo:
    """What is known of `venue`; never raises.

    A name that is not a MIC (4 upper-case letters or digits) is taken as a crypto venue. A MIC without a calendar is a
    stock venue in UTC whose phase is always CONTINUOUS: with guessed hours, real trading would look closed.
    """
    if not _MIC.fullmatch(venue):
        return VenueInfo(venue, "UTC", "", "crypto")
    calendar = _ALIASES.get(venue, venue)
    if calendar not in _STOCKS:
        return VenueInfo(venue, "UTC", "", "stock")
    currency, pre_min, post_min = _STOCKS[calendar]
    return VenueInfo(venue, stored.calendar(calendar).zone, currency, "stock", calendar, pre_min, post_min)


def quote_currency(venue: str, symbol: str) -> str:
    """The currency that prices of `symbol` are in; empty where it cannot be told.

    >>> quote_currency("binance", "BTC/USDT:USDT"), quote_currency("XNAS", "TSLA"), quote_currency("bitmex", "XBTUSD")
    ('USDT', 'USD', 'USD')
    """
    if "/" in symbol:
        return symbol.rpartition("/")[2].partition(":")[0]
    info = venue_info(venue)
    if info.kind == "stock":
        return info.currency
    return next(
        (q for q in _QUOTES.split() if symbol.endswith(q) and len(symbol) - len(q) >= SHORTEST_BASE.get(q, 1)), ""
    )


def known_calendars() -> tuple[str, ...]:
    """The exchanges whose hours are stored, in alphabetical order."""
    return tuple(sorted(_STOCKS))
