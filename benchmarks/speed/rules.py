"""The rule sets that are measured."""

from tapewatch.detection.calibration import Calibration
from tapewatch.detection.engine import Engine
from tapewatch.detection.rules import rule_set
from tapewatch.runtime.embedded import load_calibration

FIVE = ("price_move", "robust_return", "volume_spike", "stale_feed", "bad_print")


def calibration() -> Calibration:
    """The one that comes with tapewatch."""
    return load_calibration(None)


def five(known: Calibration) -> Engine:
    """A new engine of the five detectors with their default parameters."""
    return Engine(rule_set({"name": "five", "rules": [{"name": n, "detector": n} for n in FIVE]}), known)


def rolling_z(known: Calibration, window: int, threshold: float) -> Engine:
    """A new engine of one rule: |z| of the close over the closes before it; every signal is an alert."""
    params = {"window": window, "threshold": threshold, "include_current": False}
    rule = {"name": "z", "detector": "zscore", "alert": "each", "params": params}
    return Engine(rule_set({"name": "z", "rules": [rule]}), known)
