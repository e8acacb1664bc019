"""PDF: a report for people, laid out by typst in this process; no network, no system fonts, no temporary files."""

import json
from collections.abc import Iterator
from importlib.resources import files

import typst

from tapewatch.model.errors import GiveUpError
from tapewatch.model.times import SECOND_NS
from tapewatch.reports.content import CoverageSource, MarketSource, summarise, zone_of
from tapewatch.reports.document import Json, document
from tapewatch.reports.fonts import fonts, printable
from tapewatch.reports.incidents import figure
from tapewatch.reports.port import ReportRequest, ReportSource

MOST_ROWS = 2_000
MOST_CHARTS = 12


class PdfFormat:
    """Writes reports as PDF: summary, charts of the `charts` most severe incidents, table of the `rows` most severe.

    What does not fit is counted in the report in words. The same input and `generated_ns` give the same bytes. Memory
    is O(rows), whatever the number of alerts.
    """

    name = "pdf"
    media_type = "application/pdf"
    extension = "pdf"

    def __init__(self, rows: int = MOST_ROWS, charts: int = MOST_CHARTS) -> None:
        self._rows = rows
        self._charts = charts

    def render(self, request: ReportRequest, source: ReportSource, generated_ns: int) -> Iterator[bytes]:
        """The whole file as one chunk. Raises InputError for an unknown zone, GiveUpError if it cannot be laid out."""
        zone = zone_of(request)
        summary = summarise(source.alerts(request), zone, keep=self._rows, charts=self._charts)
        figures = [figure(episode, request, source, zone) for episode in summary.episodes]
        coverage = source.coverage(request) if isinstance(source, CoverageSource) else None
        charted = {f.group_id for f in figures if f.group_id}
        groups = source.groups(request, charted) if isinstance(source, MarketSource) else iter(())
        content = document(request, summary, figures, coverage, groups, zone=zone, generated_ns=generated_ns)
        yield compile_pdf(content, generated_ns)


def compile_pdf(content: Json, generated_ns: int, body: str = "pdf.typ") -> bytes:
    """Lay out a document with the style of all reports and one body. The strings in it reach typst as data and are
    never read as markup."""
    template = b"".join(files(__package__).joinpath(name).read_bytes() for name in ("style.typ", body))
    try:
        return typst.compile(
            template,
            format="pdf",
            font_paths=fonts(),
            sys_inputs={"report": printable(json.dumps(content, ensure_ascii=False))},
            timestamp=generated_ns // SECOND_NS,
        )
    except typst.TypstError as error:
        raise GiveUpError(f"the PDF cannot be laid out: {error.message}") from error
