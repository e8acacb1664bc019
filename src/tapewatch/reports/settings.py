"""The settings of reports: who may get them, through which mail server, and which are made every day."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from tapewatch.mail import check_login
from tapewatch.model.errors import InputError
from tapewatch.model.secret import Secret
from tapewatch.reports.addresses import AllowList, check_address


class ReportSmtpSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The mail server that sends reports."""

    host: str
    """Name of the mail server."""

    port: Annotated[int, Meta(ge=1, le=65_535)] | None = None
    """Its port; else 587 for `starttls`, 465 for `implicit`, 25 for `none`."""

    tls: Literal["starttls", "implicit", "none"] = "starttls"
    """How the connection is encrypted. `starttls` never falls back to an unencrypted connection."""

    ca_file: Path | None = None
    """Certificates (PEM) to trust instead of the system's."""

    user: str | None = None
    """User to log in as; without it nobody logs in."""

    password: Secret | None = None
    """Its password."""

    sender: str
    """Address that reports come from."""

    timeout_s: Annotated[float, Meta(gt=0, le=300)] = 30.0
    """Seconds to wait for each answer of the server; a whole delivery may take four times that."""

    def __post_init__(self) -> None:
        try:
            check_address(self.sender)
        except InputError as error:  # msgspec tells the place of a ValueError
            raise ValueError(str(error)) from None
        check_login(self)


class ScheduleSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A report that is made every day, on what came about since the one before, up to `settle_hours` ago."""

    at: Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", title="a time of day such as 06:30")]
    """Local time at which it is made. Skipped by the clock, it is made right after; twice there, the first time."""

    zone: str = "UTC"
    """Zone of `at` and of the times in the report, e.g. `America/New_York`."""

    settle_hours: Annotated[int, Meta(ge=0, le=168)] = 3
    """The period ends this long before `at`, and begins where the one before ended. Alerts are dated to the start of
    their bar, and a bar that is held back is judged when the next one is over: what is judged later than this after its
    onset is in no scheduled report. 3 is enough for hourly bars and half an hour of lag, daily ones need 49, and a last
    price that is held back over a weekend 72. With 3, a report `at` 03:00 is on a calendar day."""

    format: str = "pdf"
    """`pdf` or `csv`."""

    venue: str | None = None
    """Only alerts of this venue."""

    symbol: str | None = None
    """Only alerts of this symbol."""

    severity: tuple[Literal["low", "medium", "high", "critical"], ...] = ()
    """Only alerts of these severities; empty: of all."""

    title: str | None = None
    """Title of the report."""

    recipients: tuple[str, ...] = ()
    """Who gets it by e-mail; each has to be allowed by `reports.recipients`. Nobody: it is kept to be fetched."""


class ReportsSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Reports by e-mail and by the clock."""

    recipients: tuple[str, ...] = ()
    """Who may get reports by e-mail: addresses, or `@domain` for all of a domain. Empty: nobody."""

    smtp: ReportSmtpSettings | None = None
    """The mail server for reports; without it none is e-mailed."""

    schedules: dict[str, ScheduleSettings] = {}
    """Reports that are made every day, by name."""

    def __post_init__(self) -> None:
        try:
            allowed = AllowList(self.recipients)
            for schedule in self.schedules.values():
                for recipient in schedule.recipients:
                    allowed.check(recipient)
        except InputError as error:
            raise ValueError(str(error)) from None
