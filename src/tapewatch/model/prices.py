"""How a price is written for people: in sentences, notices and reports alike."""

import math


def price_text(value: float) -> str:
    """About six significant digits, at least two decimals, no exponent; `n/a` where it is not finite.

    >>> price_text(97450.25), price_text(227.519999), price_text(0.00001234), price_text(90e6)
    ('97,450.25', '227.52', '0.00001234', '90,000,000.00')
    >>> price_text(0.0), price_text(-37.63), price_text(float("nan"))
    ('0.00', '-37.63', 'n/a')
    """
    if not math.isfinite(value):
        return "n/a"
    decimals = min(max(5 - math.floor(math.log10(abs(value))), 2), 14) if value else 2
    whole, _, fraction = f"{value:,.{decimals}f}".partition(".")
    return f"{whole}.{fraction.rstrip('0').ljust(2, '0')}"
