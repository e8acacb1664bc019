from zoneinfo import ZoneInfo

import msgspec

from tapewatch.reports.content import summarise
from tapewatch.reports.document import TOP_SYMBOLS, document
from tapewatch.reports.port import ReportRequest
from tests.factories import ONSET_NS, make_alerts


def test_symbols_left_out_are_one_row_with_the_rest_of_the_sum_and_no_bar_that_could_leave_the_page() -> None:
    alerts = [msgspec.structs.replace(a, symbol=f"S{i:02d}") for i, a in enumerate(make_alerts(3 * TOP_SYMBOLS))]
    request = ReportRequest(format="pdf")
    summary = summarise(((a, None) for a in alerts), ZoneInfo("UTC"))
    symbols = document(request, summary, [], None, zone=ZoneInfo("UTC"), generated_ns=ONSET_NS)["symbols"]
    *named, rest = symbols["rows"]
    assert len(named) == TOP_SYMBOLS
    assert sum(row["total"] for row in symbols["rows"]) == len(alerts)
    assert rest["split"] == []
    assert all(sum(n for _, n in row["split"]) <= symbols["most"] for row in named)
