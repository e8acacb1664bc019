"""The formats of reports: a new one is a file here and a place in `FORMATS`."""

from collections.abc import Sequence

from tapewatch.model.errors import InputError
from tapewatch.reports.formats.csv import CsvFormat
from tapewatch.reports.formats.pdf import PdfFormat
from tapewatch.reports.port import ReportFormat

FORMATS: tuple[ReportFormat, ...] = (CsvFormat(), PdfFormat())


def format_named(name: str, formats: Sequence[ReportFormat] = FORMATS) -> ReportFormat:
    """The format that goes by that name; InputError naming the known ones where there is none."""
    for known in formats:
        if known.name == name:
            return known
    raise InputError(f"{name!r} is not a report format; known are {', '.join(known.name for known in formats)}")
