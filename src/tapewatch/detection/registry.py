"""Finds detectors by name: our own tuple, then installed packages through the entry point `tapewatch.detectors`."""

import difflib
from functools import cache
from importlib.metadata import entry_points

from tapewatch.detection.detectors import DETECTORS
from tapewatch.detection.detectors.base import Detector
from tapewatch.model.errors import InputError

ENTRY_POINT = "tapewatch.detectors"


@cache
def detectors() -> dict[str, Detector]:
    """All detectors by name. An installed one that takes a name of ours, or is no Detector, is an InputError."""
    found = {d.name: d for d in DETECTORS}
    for entry in entry_points(group=ENTRY_POINT):
        detector = entry.load()
        if not isinstance(detector, Detector):
            raise InputError(f"entry point {entry.name!r} ({entry.value}) is not a tapewatch Detector")
        if detector.name in found:
            raise InputError(f"entry point {entry.name!r} ({entry.value}): a detector {detector.name!r} exists already")
        found[detector.name] = detector
    return found


def detector_named(name: str) -> Detector:
    """The detector of that name; InputError with the nearest known name where there is none."""
    known = detectors()
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(sorted(known))}"
    raise InputError(f"unknown detector {name!r}{hint}")
