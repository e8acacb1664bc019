"""Notices in Slack, by an incoming webhook. https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks"""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from tapewatch.model.alerts import Severity
from tapewatch.model.secret import Secret
from tapewatch.notify.context import Context
from tapewatch.notify.http import HttpPoster, check_url
from tapewatch.notify.names import NO_RECIPIENT, ChannelName
from tapewatch.notify.port import Delivery, Notice
from tapewatch.notify.wording import clean, facts, subject

_SHOWN = ("Severity", "State", "Price", "Change", "Event time", "Rule", "Market", "Traded", "Members", "Recognised")
_HARMLESS = str.maketrans("<>", "‹›")  # a header is not marked up and has no escapes
_MARKS: dict[Severity, str] = {"low": "⚪", "medium": "🟡", "high": "🔴", "critical": "🚨"}


class SlackSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Notices in a Slack channel."""

    name: ChannelName = "slack"
    """Name of this channel, as routes and the ledger say it."""

    url: Secret
    """Address of the incoming webhook; whoever knows it can post, so it is kept as a secret."""

    connect_timeout_s: Annotated[float, Meta(gt=0, le=60)] = 5.0
    """Seconds to reach Slack."""

    timeout_s: Annotated[float, Meta(gt=0, le=60)] = 10.0
    """Seconds to send and to wait for the answer."""

    def __post_init__(self) -> None:
        check_url(self.url)

    def channels(self, context: Context) -> "tuple[SlackChannel, ...]":
        """The channel."""
        return (SlackChannel(self, context),)


class SlackChannel:
    """Posts each notice as a message with blocks. Its one recipient is its own name: the URL is a secret."""

    def __init__(self, settings: SlackSettings, context: Context) -> None:
        self.name = settings.name
        self.recipients: tuple[str, ...] = (settings.name,)
        self._poster = HttpPoster(
            settings.url,
            context.targets,
            connect_s=settings.connect_timeout_s,
            answer_s=settings.timeout_s,
            now=context.now,
        )

    def deliver(self, notice: Notice, recipient: str, message_id: str) -> Delivery:
        """Post once."""
        if recipient not in self.recipients:
            return NO_RECIPIENT
        headers = {"Content-Type": "application/json", "User-Agent": "tapewatch", "Idempotency-Key": message_id}
        return self._poster.post(msgspec.json.encode(payload(notice)), headers)


def payload(notice: Notice) -> dict[str, Any]:  # Any: JSON of several shapes
    """Slack's message: `text` for notifications and screen readers, `blocks` for the channel.

    Everything is escaped as Slack asks, so that no symbol can mention `@channel` or make a link, and short enough for
    Slack's limits (150 characters a header, 3,000 a section, 2,000 a field) even when every character is escaped.
    """
    title = f"{_MARKS[notice.incident.severity]} {subject(notice)}"
    fields = [f"*{label}*\n{_escape(clean(value, 300))}" for label, value in facts(notice) if label in _SHOWN]
    blocks: list[dict[str, Any]] = [
        {
            "type": "header",
            "text": {"type": "plain_text", "text": clean(title, 150).translate(_HARMLESS), "emoji": True},
        },
        {"type": "section", "text": _mrkdwn(_escape(clean(notice.incident.message, 600)))},
        {"type": "section", "fields": [_mrkdwn(field) for field in fields]},
    ]
    foot = f"incident {notice.incident.incident_id}, alert {notice.alert.alert_id} revision {notice.alert.revision}"
    if notice.link and notice.link.startswith(("https://", "http://")):
        foot = f"<{_escape(clean(notice.link)).replace('|', '%7C')}|Look at it>, {_escape(foot)}"
    blocks.append({"type": "context", "elements": [_mrkdwn(foot)]})
    return {"text": _escape(title), "blocks": blocks}


def _mrkdwn(text: str) -> dict[str, str]:
    return {"type": "mrkdwn", "text": text}


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
