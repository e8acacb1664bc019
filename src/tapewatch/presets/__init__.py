"""Rule sets and calibration that come with tapewatch, as files."""
