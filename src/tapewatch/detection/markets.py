"""Which symbols are a market together: those that are priced in the same money in the same place. And which are one
instrument under the names of several venues."""

from tapewatch.detection.calendars import quote_currency, venue_info
from tapewatch.detection.instruments import Facts
from tapewatch.model.instruments import Instrument


def market_of(venue: str, symbol: str) -> str:
    """Name of the market of a symbol.

    Stocks: all venues that keep one exchange's hours, by the name of that exchange. Crypto: the symbols of one venue
    with one quote currency; not across venues, since one coin on three venues is no market.

    >>> market_of("ARCX", "SPY"), market_of("XNAS", "TSLA"), market_of("binance", "BTC/USDT")
    ('XNYS', 'XNYS', 'binance:USDT')
    """
    info = venue_info(venue)
    if info.kind == "stock":
        return info.calendar or venue
    return f"{venue}:{quote_currency(venue, symbol)}"


def money_of(of: Instrument, facts: Facts | None) -> str:
    """The currency of its prices: what the instruments file says, else what venue and symbol tell.

    >>> money_of(Instrument("XLON", "IGLN"), Facts("IGLN", "XLON", currency="USD"))
    'USD'
    """
    return facts.currency if facts is not None and facts.currency else quote_currency(of.venue, of.symbol)


def common_name(of: Instrument, facts: Facts | None) -> tuple[str, str]:
    """(name, money) that venues of one instrument share: what the file says, else its symbol and what the name tells.

    >>> common_name(Instrument("bitmex", "XBTUSD"), Facts("XBTUSD", "bitmex", instrument="BTC/USD"))
    ('BTC/USD', 'USD')
    """
    name = facts.instrument if facts is not None and facts.instrument else of.symbol
    return name.upper(), money_of(Instrument(of.venue, name), facts)
