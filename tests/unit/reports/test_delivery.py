import email
from email.policy import default

import msgspec
import pytest

from tapewatch.model.errors import InputError
from tapewatch.model.secret import Secret
from tapewatch.reports.addresses import AllowList, check_address
from tapewatch.reports.delivery import FileMail, compose
from tapewatch.reports.settings import ReportSmtpSettings, ReportsSettings
from tests.factories import ONSET_NS

MAIL = FileMail(
    "desk@example.org", "Report", "See the file.", "r.pdf", "application/pdf", b"%PDF\x00\xff", "<a@b.example>"
)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "a",
            "@b",
            "a@",
            "a@b@c",
            "a b@c",
            "a@b c",
            "a@b\n",
            "a@b\r\nBcc: x@y",
            "<a@b>",
            "A <a@b>",
            "a,b@c",
            "a@b,c@d",
        ),
        '"a b"@c',
        "a(x)@b",
        "a%b@c",
        "a!b@c",
        "é@b",
        "a@é",
        "a@-b",
        "a@b..c",
        ".a@b",
        "a..b@c",
        "a@[127.0.0.1]",
        "a\x00@b",
        "*@b",
        "a" * 65 + "@b",
        "a@" + "b" * 64,
        "a@" + ".".join(["b" * 60] * 5),
    ],
)
def test_what_is_not_one_plain_address_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="not an e-mail address"):
        check_address(text)


def test_only_those_on_the_list_may_get_reports() -> None:
    allowed = AllowList(["chief@example.org", "@desk.example.com"])
    for good in ("chief@example.org", "CHIEF@Example.Org", "anyone@desk.example.com"):
        assert allowed.check(good) == good
    for bad in ("other@example.org", "a@sub.desk.example.com", "a@example.com", "a@evildesk.example.com"):
        with pytest.raises(InputError, match="may not get reports"):
            allowed.check(bad)


def test_an_empty_list_allows_nobody_and_does_not_say_who_is_allowed() -> None:
    with pytest.raises(InputError):
        AllowList([]).check("a@b")
    with pytest.raises(InputError) as told:
        AllowList(["chief@example.org"]).check("a@b")
    assert "chief" not in str(told.value)


@pytest.mark.parametrize("entry", ["", "@", "*", "@*", "example.org", "*@example.org", "@a b", "@.org"])
def test_a_list_entry_that_means_nothing_is_refused(entry: str) -> None:
    with pytest.raises(InputError):
        AllowList([entry])


def test_the_message_carries_the_file_byte_for_byte() -> None:
    raw = compose(MAIL, "tapewatch@example.org", ONSET_NS).as_bytes()
    message = email.message_from_bytes(raw, policy=default)
    attachment = next(message.iter_attachments())
    assert attachment.get_content() == MAIL.content
    assert attachment.get_filename() == "r.pdf"
    assert attachment.get_content_type() == "application/pdf"
    assert message["Message-ID"] == "<a@b.example>"
    assert message["To"] == "desk@example.org"
    assert message["Date"].datetime.isoformat() == "2025-04-07T14:10:00+00:00"
    raw.decode("ascii")


def test_a_csv_keeps_its_bytes_and_its_charset() -> None:
    mail = FileMail("a@b", "é", "ü", "r.csv", "text/csv; charset=utf-8", "é,\r\n.\r\n".encode(), "<a@b>")
    message = email.message_from_bytes(compose(mail, "t@b", 0).as_bytes(), policy=default)
    attachment = next(message.iter_attachments())
    assert attachment.get_payload(decode=True) == mail.content
    assert attachment.get_content_charset() == "utf-8"
    assert message["Subject"] == "é"


@pytest.mark.parametrize("field", ["recipient", "subject", "file_name", "media_type", "message_id"])
@pytest.mark.parametrize("tail", ["\r\nBcc: x@y.example", "\nX: y", "\r", "\x00", "\r\n\r\nbody"])
def test_nothing_can_break_out_of_its_header(field: str, tail: str) -> None:
    fields = {name: getattr(MAIL, name) for name in FileMail.__dataclass_fields__}
    with pytest.raises(InputError):
        compose(FileMail(**(fields | {field: fields[field] + tail})), "t@b", 0)


def test_file_contents_do_not_show_in_a_mails_repr() -> None:
    assert "PDF" not in repr(MAIL).replace("r.pdf", "").replace("application/pdf", "")


def test_a_password_needs_encryption_and_never_shows() -> None:
    secret = Secret("hunter2")
    settings = ReportSmtpSettings(host="h", sender="a@b", user="u", password=secret)
    assert "hunter2" not in repr(settings)
    with pytest.raises(ValueError, match="unencrypted"):
        ReportSmtpSettings(host="h", sender="a@b", user="u", password=secret, tls="none")
    with pytest.raises(ValueError, match="go together"):
        ReportSmtpSettings(host="h", sender="a@b", user="u")
    with pytest.raises(ValueError, match="ASCII"):
        ReportSmtpSettings(host="h", sender="a@b", user="u", password=Secret("s3crét"))
    with pytest.raises(ValueError, match="not an e-mail address"):
        ReportSmtpSettings(host="h", sender="a@b\r\nBcc: c@d")


def test_a_schedule_for_somebody_who_may_not_get_it_is_refused_with_the_settings() -> None:
    daily = {"at": "06:30", "zone": "Europe/Rome", "recipients": ["a@b.example"]}
    good = {"recipients": ["@b.example"], "schedules": {"daily": daily}}
    assert msgspec.convert(good, ReportsSettings).schedules["daily"].at == "06:30"
    with pytest.raises(msgspec.ValidationError, match="may not get reports"):
        msgspec.convert(good | {"recipients": ["@c.example"]}, ReportsSettings)
    with pytest.raises(msgspec.ValidationError, match="at"):
        msgspec.convert(good | {"schedules": {"daily": daily | {"at": "24:00"}}}, ReportsSettings)
