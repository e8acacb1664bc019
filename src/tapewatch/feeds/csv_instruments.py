"""The instruments of a CSV feed: one table for all its files, so that the ids of its batches agree."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tapewatch.feeds.csv_settings import LONGEST_NAME
from tapewatch.feeds.csv_symbols import canonical_symbol
from tapewatch.model.instruments import Instrument, default_venue


class InstrumentTable:
    """Gives ids to instruments in the order in which they are met, and knows the zone of each one's naive times."""

    def __init__(self, zone: str | None, zone_of: Callable[[str], str]) -> None:
        self._zone = zone
        self._zone_of = zone_of
        self._ids: dict[Instrument, int] = {}
        self._zones: list[str] = []
        self._symbols: tuple[Instrument, ...] = ()
        self.defaults: dict[str, str] = {}
        """Venues that were taken because nobody named one, each with the first symbol that it was taken for."""

    @property
    def symbols(self) -> tuple[Instrument, ...]:
        """All instruments so far; the same tuple until there is a new one."""
        if len(self._symbols) != len(self._ids):
            self._symbols = tuple(self._ids)
        return self._symbols

    def id_of(self, symbol: str, venue: str | None) -> int:
        """The id of a symbol as it was written; -1 where it cannot be one (empty, too long, unprintable)."""
        name = canonical_symbol(symbol)
        if not name or len(name) > LONGEST_NAME or not name.isprintable():
            return -1
        if not venue:
            venue = default_venue(name)
            self.defaults.setdefault(venue, name)
        instrument = Instrument(venue, name)
        found = self._ids.get(instrument)
        if found is None:
            found = self._ids[instrument] = len(self._ids)
            self._zones.append(self._zone or self._zone_of(venue))
        return found

    def by_zone(self, ids: NDArray[np.int32]) -> list[tuple[str, NDArray[np.bool_] | None]]:
        """The zones of these instruments with the records of each; None stands for all of them."""
        if len(set(self._zones)) == 1:
            return [(self._zones[0], None)]
        numbers = {zone: n for n, zone in enumerate(dict.fromkeys(self._zones))}
        of_id = np.array([numbers[z] for z in self._zones])
        of_record = of_id[ids]
        present = np.unique(of_record)
        names = list(numbers)
        if present.size == 1:
            return [(names[int(present[0])], None)]
        return [(names[int(n)], of_record == n) for n in present]
