"""Detectors: one file each, joined here; installed packages add theirs through the entry point
`tapewatch.detectors`."""

from tapewatch.detection.detectors import (
    bad_print,
    band_proximity,
    closing_move,
    cusum_drift,
    feed_disorder,
    flash_crash,
    overnight_gap,
    peg_deviation,
    price_move,
    pump_dump,
    robust_return,
    sma,
    stale_feed,
    suspected_split,
    venue_divergence,
    volatility_regime,
    volume_spike,
    zscore,
)
from tapewatch.detection.detectors.base import Detector

DETECTORS: tuple[Detector, ...] = (
    zscore.DETECTOR,
    sma.DETECTOR,
    price_move.DETECTOR,
    robust_return.DETECTOR,
    volume_spike.DETECTOR,
    stale_feed.DETECTOR,
    flash_crash.DETECTOR,
    bad_print.DETECTOR,
    pump_dump.DETECTOR,
    band_proximity.DETECTOR,
    closing_move.DETECTOR,
    cusum_drift.DETECTOR,
    overnight_gap.DETECTOR,
    suspected_split.DETECTOR,
    peg_deviation.DETECTOR,
    feed_disorder.DETECTOR,
    volatility_regime.DETECTOR,
    venue_divergence.DETECTOR,
)
