import io
import time
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import pytest
from pypdf import PdfReader

from tapewatch import __version__
from tapewatch.model.alerts import Alert
from tapewatch.model.bars import Bars
from tapewatch.model.errors import InputError
from tapewatch.model.market import Group
from tapewatch.model.times import DAY_NS, MINUTE_NS
from tapewatch.reports.content import Coverage, Peers
from tapewatch.reports.formats import FORMATS, format_named
from tapewatch.reports.formats.pdf import PdfFormat
from tapewatch.reports.port import ReportRequest, ReportSource
from tests.factories import ONSET_NS, make_alert, make_alerts, make_case, make_group
from tests.unit.reports.sources import ListSource

GENERATED_NS = ONSET_NS + 7 * DAY_NS
REQUEST = ReportRequest(
    format="pdf", from_ns=ONSET_NS - DAY_NS, to_ns=ONSET_NS + 6 * DAY_NS, zone="America/New_York", title="Desk report"
)


class WatchedSource(ListSource):
    def coverage(self, request: ReportRequest) -> Coverage | None:
        return Coverage(instruments=("XNAS:TSLA", "XNAS:QUIET"), rules=("price_move",), records=9_516)


def _pdf(source: ReportSource, request: ReportRequest = REQUEST, **limits: int) -> PdfReader:
    return PdfReader(io.BytesIO(b"".join(PdfFormat(**limits).render(request, source, GENERATED_NS))))


def _text(reader: PdfReader) -> str:
    return " ".join(" ".join(page.extract_text() for page in reader.pages).split())


def test_the_first_page_says_what_it_is_when_it_was_made_and_by_what() -> None:
    page = " ".join(_pdf(ListSource(make_alerts(20))).pages[0].extract_text().split())
    assert "Desk report" in page
    assert "2025-04-06 10:10:00 EDT to 2025-04-13 10:10:00 EDT" in page
    assert f"2025-04-14T14:10:00Z by tapewatch {__version__}" in page
    assert "America/New_York" in page


def test_what_was_watched_is_named_also_where_it_raised_nothing() -> None:
    text = _text(_pdf(WatchedSource([make_alert()])))
    assert "XNAS:QUIET" in text
    assert "9,516" in text


def test_market_wide_moves_that_are_left_out_are_told() -> None:
    class Moving(ListSource):
        def groups(self, request: ReportRequest, named: Collection[str] = ()) -> Iterator[Group]:
            assert named == {"g7"}
            return (make_group(k) for k in range(112))

        def groups_of(self, alerts: Sequence[Alert]) -> dict[str, str]:
            return {alert.alert_id: "g7" for alert in alerts}

        def peers(self, venue: str, symbol: str, from_ns: int, to_ns: int) -> Peers:
            return Peers("none")

    text = _text(_pdf(Moving([make_alert()])))
    assert "Market-wide moves" in text
    assert "The first 100 are listed; 12 later ones are left out." in text


def test_every_page_has_its_number_and_the_number_of_pages() -> None:
    reader = _pdf(ListSource(make_alerts(150)))
    pages = len(reader.pages)
    assert pages > 3
    for k, page in enumerate(reader.pages, start=1):
        assert f"page {k} of {pages}" in page.extract_text()


def test_the_metadata_name_the_report_and_its_time() -> None:
    meta = _pdf(ListSource([make_alert()])).metadata
    assert meta is not None
    assert meta.title is not None
    assert meta.title.startswith("Desk report: ")
    assert meta.author == f"tapewatch {__version__}"
    assert meta.creation_date is not None
    assert meta.creation_date.isoformat() == "2025-04-14T14:10:00+00:00"


def test_the_same_input_and_time_give_the_same_bytes() -> None:
    source = ListSource(make_alerts(40))
    first, second = (b"".join(PdfFormat().render(REQUEST, source, GENERATED_NS)) for _ in range(2))
    assert first == second


def test_an_empty_range_gives_a_report_that_says_so() -> None:
    reader = _pdf(WatchedSource())
    text = _text(reader)
    assert "No alert was raised in this period for this selection." in text
    assert "XNAS:QUIET" in text
    assert "Method and precision" in text


def test_names_and_words_outside_latin_are_printed_in_fonts_that_have_them() -> None:
    words = "贵州茅台 トヨタ 삼성전자 Сбербанк ΟΠΑΠ"
    alert = make_alert(symbol=words.replace(" ", "-"), message=f"{words} fell 5.2 %")
    reader = _pdf(ListSource([alert]))
    assert words in _text(reader)
    fonts = {font for page in reader.pages for font in page._get_fonts()[0]}
    assert any("NotoSansCJK" in font for font in fonts), fonts


def test_thai_emoji_and_scripts_of_india_have_a_font_and_what_has_none_is_printed_as_its_code() -> None:
    alert = make_alert(symbol="ทองคำ🚀", message="தமிழ் שלום rose; \u0f56 fell")
    reader = _pdf(ListSource([alert]), ReportRequest(format="pdf", title="รายงาน"))
    text = _text(reader)
    assert "รายงาน" in text
    assert "U+0F56 fell" in text
    fonts = " ".join(font for page in reader.pages for font in page._get_fonts()[0])
    assert all(f"NotoSans{name}" in fonts for name in ("Thai", "Tamil")), fonts
    assert "NotoEmoji" in fonts


def test_the_venues_time_is_that_of_the_onset_on_the_venues_clock() -> None:
    text = _text(_pdf(ListSource([make_alert(ts_event_ns=ONSET_NS + 20 * MINUTE_NS)])))
    assert "Venue time 10:10:00 EDT, regular" in text
    assert "Detected not recorded Baseline" in text, "not a time, so no zone"


def test_every_alert_is_in_the_table_and_price_and_data_quality_are_apart() -> None:
    alerts = make_alerts(120)
    text = _text(_pdf(ListSource(alerts)))
    assert all(alert.alert_id[:8] in text for alert in alerts)
    quality = sum(alert.category == "data_quality" for alert in alerts)
    assert f"Price and volume alerts ({120 - quality})" in text
    assert f"Data-quality alerts ({quality})" in text


def test_what_does_not_fit_is_counted_in_words_never_cut_in_silence() -> None:
    alerts = make_alerts(60)
    text = _text(_pdf(ListSource(alerts), rows=25, charts=2))
    assert "This table holds the 25 most severe of 60 alerts" in text
    assert "The other 35 are in the CSV report of the same period and selection, which holds all 60." in text
    assert "Charts of the 2 most severe of" in text
    assert sum(alert.alert_id[:8] in text for alert in alerts) == 25


def test_more_alerts_in_one_chart_than_can_be_marked_are_counted() -> None:
    first = make_alert()
    crowd = [make_alert(rule=f"rule_{k}", incident_id=first.incident_id) for k in range(30)]
    assert "18 more alerts of lower score lie within this chart" in _text(_pdf(ListSource(crowd)))


def test_decisions_and_who_took_them_are_reported() -> None:
    alert = make_alert()
    text = _text(_pdf(ListSource([alert], {alert.alert_id: make_case()})))
    assert "news (m.rossi)" in text


def test_alerts_that_have_not_ended_are_marked_as_provisional() -> None:
    text = _text(_pdf(ListSource([make_alert(state="firing", calibrated=False)])))
    assert "firing, provisional" in text
    assert "Alerts marked p (1)" in text
    assert "alerts marked u (1)" in text


MARKUP = [
    '#panic("x")',
    "$x^2",
    "*bold* _it_ = h",
    "`raw`",
    "@ref <label>",
    ']#eval("1")[',
    "\\u{41}",
    '"; }',
    "</text>",
]


@pytest.mark.parametrize("text", MARKUP)
def test_text_from_outside_is_printed_and_never_run(text: str) -> None:
    alert = make_alert(symbol=text, rule=text, venue=text, alert_type=text, message=text, currency=text)
    case = make_case(closed_by=text)
    source = ListSource([alert], {alert.alert_id: case})
    printed = _text(_pdf(source, ReportRequest(format="pdf", title=text)))
    assert printed.replace(" ", "").count(text.replace(" ", "")) >= 5


@pytest.mark.parametrize("text", ["\x00\x01", "\u202egnp", "", " ", "x" * 5_000, "株価 é 🚀", "\n\n= h"])
def test_odd_text_still_gives_a_report(text: str) -> None:
    alert = make_alert(symbol=text, rule=text, venue=text, alert_type=text, message=text)
    assert len(_pdf(ListSource([alert]), ReportRequest(format="pdf", title=text)).pages) >= 3


def test_half_a_character_in_a_title_still_gives_a_report() -> None:
    alert = make_alert(message="a\ud800b")
    assert _pdf(ListSource([alert]), ReportRequest(format="pdf", title="a\ud800b")).pages


def test_prices_that_are_not_numbers_still_give_a_report() -> None:
    nan, inf = float("nan"), float("inf")
    alert = make_alert(price=nan, price_before=nan, price_extreme=inf, change_pct=nan, score=61.0, rarity_days=None)
    assert "n/a" in _text(_pdf(ListSource([alert])))


def test_an_alert_without_history_has_a_chart_that_says_so() -> None:
    assert "No price history is kept for this range." in _text(_pdf(ListSource([make_alert()], bars=False)))


@pytest.mark.slow
def test_a_thousand_alerts_take_at_most_five_seconds_of_the_processor() -> None:
    source = ListSource(make_alerts(1_000))
    before = time.process_time()
    _pdf(source)
    assert time.process_time() - before < 5.0


def test_the_charts_are_of_the_half_hours_around_the_onset() -> None:
    asked: list[tuple[int, int]] = []

    class Watching(ListSource):
        def bars(self, venue: str, symbol: str, from_ns: int, to_ns: int, interval_ns: int) -> Bars:
            asked.append((from_ns, to_ns))
            return super().bars(venue, symbol, from_ns, to_ns, interval_ns)

    _pdf(Watching([make_alert()]))
    assert asked == [(ONSET_NS - 30 * MINUTE_NS, ONSET_NS + 30 * MINUTE_NS)]


def test_formats_are_found_by_name_and_an_unknown_one_names_the_known() -> None:
    assert [format_named(known.name) for known in FORMATS] == list(FORMATS)
    with pytest.raises(InputError, match=rf"'docx'.*{', '.join(known.name for known in FORMATS)}"):
        format_named("docx")


def test_every_format_file_is_in_the_tuple() -> None:
    package = Path(__file__).parents[3] / "src" / "tapewatch" / "reports" / "formats"
    files = {path.stem for path in package.glob("*.py")} - {"__init__"}
    assert files == {known.name for known in FORMATS}
