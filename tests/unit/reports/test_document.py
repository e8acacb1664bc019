from zoneinfo import ZoneInfo

import msgspec

from tapewatch.model.times import SECOND_NS, format_rfc3339
from tapewatch.reports.content import summarise
from tapewatch.reports.document import MOST_GROUPS, NARROW, TOP_SYMBOLS, document
from tapewatch.reports.port import ReportRequest
from tapewatch.reports.words import WIDE
from tests.factories import ONSET_NS, make_alerts, make_group


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


def test_a_long_name_can_break_wherever_it_stands_in_a_column() -> None:
    name = "A" * 64
    alerts = [msgspec.structs.replace(a, symbol=name, message=f"{name} fell") for a in make_alerts(3)]
    summary = summarise(((a, None) for a in alerts), ZoneInfo("UTC"))
    content = document(ReportRequest(format="pdf"), summary, [], None, zone=ZoneInfo("UTC"), generated_ns=ONSET_NS)
    for worst in content["worst"]:
        assert max(map(len, worst["symbol"].split("\u200b"))) <= NARROW
        assert max(map(len, worst["message"].replace(" ", "\u200b").split("\u200b"))) <= WIDE


def test_market_wide_moves_that_are_not_listed_are_counted_in_words() -> None:
    def told(n: int) -> tuple[int, str]:
        moves = (make_group(k) for k in range(n))
        summary = summarise((), ZoneInfo("UTC"))
        page = document(ReportRequest(format="pdf"), summary, [], None, moves, zone=ZoneInfo("UTC"), generated_ns=0)
        return len(page["groups"]), page["groups_note"]

    assert told(MOST_GROUPS) == (100, "")
    assert told(MOST_GROUPS + 1) == (100, "The first 100 are listed; 1 later one is left out.")
    assert told(MOST_GROUPS + 1_500) == (100, "The first 100 are listed; 1,500 later ones are left out.")


def test_the_report_says_to_the_second_when_it_was_made() -> None:
    at_ns = ONSET_NS // SECOND_NS * SECOND_NS
    summary = summarise((), ZoneInfo("UTC"))
    page = document(
        ReportRequest(format="pdf"), summary, [], None, zone=ZoneInfo("UTC"), generated_ns=at_ns + 123_456_789
    )
    assert dict(page["facts"])["Generated"].startswith(f"{format_rfc3339(at_ns)} by tapewatch ")
