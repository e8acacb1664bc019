"""What symbols share: group scales, venue profiles, pooled tails. A file made by tuning; never learnt live."""

import hashlib
from typing import Any

import msgspec
import numpy as np

from tapewatch.detection.calendars import Phase, venue_info
from tapewatch.detection.groups import BINS, GROUP, WEEK_BINS
from tapewatch.detection.instruments import Facts, fill_facts
from tapewatch.detection.layout import PHASES
from tapewatch.model.errors import InputError
from tapewatch.model.instruments import Instrument

PHASE_NAMES = tuple(p.name.lower() for p in Phase)


class Tail(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Tail of standardised returns beyond `u` (see stats.tail). `calibrated` false marks the conservative default."""

    u: float
    p_u: float
    xi: float
    beta: float
    theta: float = 1.0
    calibrated: bool = False
    exceedances: int = 0


class Group(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One group of symbols. Profiles are by phase name, 48 bins each (`features.profile_bin`); a missing one is flat.
    That of `continuous` holds every day, or has 336 bins: one for each half-hour of the week, from Monday, UTC.
    Tails are by phase name; a missing one is `default`."""

    tails: dict[str, Tail]
    phase_ratio: dict[str, float]
    scale: float  # mean absolute log return of a 1-minute bar
    vol: dict[str, list[float]] = {}
    volume: dict[str, list[float]] = {}
    tick: float = 0.0


class Calibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Groups by name; a symbol belongs to `symbols[VENUE:SYMBOL]` or to its venue's kind (`stock`, `crypto`)."""

    name: str
    groups: dict[str, Group]
    symbols: dict[str, str] = {}
    instruments: dict[str, Facts] = {}  # by VENUE:SYMBOL

    def digest(self) -> str:
        """12 hex digits of SHA-256 over the canonical JSON: part of the rules' fingerprint."""
        return hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()[:12]

    def group_name(self, instrument: Instrument) -> str:
        """The symbol's group."""
        facts = self.instruments.get(str(instrument))
        if facts is not None and facts.group:
            return facts.group
        return self.symbols.get(str(instrument), venue_info(instrument.venue).kind)

    def group_index(self, instrument: Instrument) -> int:
        """Position of the symbol's row in `table()`: its group's, or its own where it has facts."""
        if str(instrument) in self.instruments:
            return len(self.groups) + list(self.instruments).index(str(instrument))
        return list(self.groups).index(self.group_name(instrument))

    def table(self) -> "np.recarray[Any, Any]":
        """All groups as an array of `GROUP`, and after them a row for each instrument with facts: its group's and
        these."""
        table = np.zeros(len(self.groups) + len(self.instruments), GROUP)
        for at, group in enumerate(self.groups.values()):
            _fill(table[at], group)
        for at, (name, facts) in enumerate(self.instruments.items(), len(self.groups)):
            of = self.group_name(Instrument(facts.venue, facts.symbol))
            if of not in self.groups:
                raise InputError(f"{name}: the calibration has no group {of!r}; it has {', '.join(self.groups)}")
            _fill(table[at], self.groups[of])
            fill_facts(table[at], facts)
        return table.view(np.recarray)


def _fill(row: Any, group: Group) -> None:
    row["scale"], row["tick"] = group.scale, group.tick
    row["vol"], row["volume"] = 1.0, 1.0
    for phase in range(PHASES):
        name = PHASE_NAMES[phase]
        row["phase_ratio"][phase] = group.phase_ratio.get(name, 1.0)
        tail = group.tails.get(name, group.tails["default"])
        for key in ("u", "p_u", "xi", "beta", "theta", "calibrated"):
            row["tail"][phase][key] = getattr(tail, key)
        for column, profiles in (("vol", group.vol), ("volume", group.volume)):
            if name in profiles:
                row[column][phase] = np.resize(profiles[name], WEEK_BINS)  # again and again


def read_calibration(data: bytes, source: str) -> Calibration:
    """Parse and check a calibration file (JSON); InputError names `source` and what is wrong."""
    try:
        found = msgspec.json.decode(data, type=Calibration)
    except msgspec.DecodeError as error:
        raise InputError(f"{source}: not a calibration file: {error}") from None
    for name, group in found.groups.items():
        if "default" not in group.tails:
            raise InputError(f"{source}: group {name!r} has no tail named 'default'")
        for phase, profile in (*group.vol.items(), *group.volume.items()):
            week = phase == "continuous" and len(profile) == WEEK_BINS
            if not (week or len(profile) == BINS) or min(profile) <= 0:
                raise InputError(f"{source}: group {name!r}: a profile needs {BINS} positive numbers")
    missing = {"stock", "crypto"} - set(found.groups)
    if missing:
        raise InputError(f"{source}: the groups {sorted(missing)} are missing")
    return found
