"""Make a calibration file from bars: `python tools/calibrate.py OUT NAME FILE@VENUE:SYMBOL[@FROM[@TO]] ...`

FROM and TO are dates (UTC, TO excluded) that cut the history. What no file tells is taken from the calibration that
comes with tapewatch. The shipped file was made with the command that stands in docs/quality.md.
"""

import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from tapewatch.detection.calendars import venue_info
from tapewatch.detection.tuning import calibrate
from tapewatch.feeds.csv import open_csv
from tapewatch.feeds.csv_settings import CsvSettings
from tapewatch.model.ticks import TickBatch
from tapewatch.model.times import SECOND_NS
from tapewatch.runtime.embedded import load_calibration

EVER_NS = (-(2**62), 2**62)


def main(arguments: list[str]) -> None:
    """Write the file and print what was measured."""
    out, name, *sources = arguments
    history = [batch for source in sources for batch in read(source)]
    found = calibrate(history, load_calibration(None), name)
    text = msgspec.json.format(msgspec.json.encode(found), indent=1)
    Path(out).write_bytes(text + b"\n")
    for group, measured in found.groups.items():
        sys.stdout.write(f"{group}: scale {measured.scale:.6f}, phase ratios {measured.phase_ratio}\n")
        for phase, tail in measured.tails.items():
            sys.stdout.write(f"  {phase}: {tail}\n")


def read(source: str) -> list[TickBatch]:
    """The batches of one FILE@VENUE:SYMBOL[@FROM[@TO]]."""
    path, instrument, *dates = source.split("@")
    venue, _, symbol = instrument.partition(":")
    feed = open_csv([path], CsvSettings(symbol=symbol, venue=venue), zone_of=lambda v: venue_info(v).zone)
    spans = [int(datetime.fromisoformat(d).replace(tzinfo=UTC).timestamp()) * SECOND_NS for d in dates]
    begin, end = (spans + list(EVER_NS[len(spans) :])) if spans else EVER_NS
    batches = [batch.ticks for batch in feed.batches(0)]
    return [b.take((b.ts_event_ns >= begin) & (b.ts_event_ns < end)) for b in batches]


if __name__ == "__main__":
    main(sys.argv[1:])
