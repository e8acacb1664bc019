"""Which symbols are a market together: those that are priced in the same money in the same place."""

from tapewatch.detection.calendars import quote_currency, venue_info


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
