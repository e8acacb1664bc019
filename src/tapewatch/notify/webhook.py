"""Notices as JSON to any HTTP endpoint, in the shape of Alertmanager's webhook (version 4) with ours beside it.

https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
"""

import hashlib
import hmac
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from tapewatch.model.secret import Secret
from tapewatch.notify.context import Context
from tapewatch.notify.http import HttpPoster, check_url
from tapewatch.notify.names import NO_RECIPIENT, ChannelName
from tapewatch.notify.port import Delivery, Notice
from tapewatch.notify.wording import ended_at, subject

SIGNATURE_HEADER = "X-Tapewatch-Signature"
_NOT_ENDED = "0001-01-01T00:00:00Z"  # how Alertmanager (Go's zero time) says that it goes on


class WebhookSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Notices as JSON to an HTTP endpoint."""

    name: ChannelName = "webhook"
    """Name of this channel, as routes, the ledger and the endpoint's `receiver` say it."""

    url: Secret
    """Where notices are posted; kept as a secret, since many such addresses carry a token."""

    token: Secret | None = None
    """Sent as `Authorization: Bearer ...`."""

    signing_key: Secret | None = None
    """Key of the header `X-Tapewatch-Signature: sha256=HEX`: HMAC-SHA256 of the body."""

    connect_timeout_s: Annotated[float, Meta(gt=0, le=60)] = 5.0
    """Seconds to reach the host."""

    timeout_s: Annotated[float, Meta(gt=0, le=60)] = 10.0
    """Seconds to send and to wait for the answer."""

    def __post_init__(self) -> None:
        check_url(self.url)
        token = self.token.reveal() if self.token else "x"
        if not (token.isascii() and token.isprintable() and " " not in token):
            raise ValueError("the token may hold printable ASCII without spaces only")

    def channels(self, context: Context) -> "tuple[WebhookChannel, ...]":
        """The channel."""
        return (WebhookChannel(self, context),)


class WebhookChannel:
    """Posts each notice. Its one recipient is its own name: the URL is a secret."""

    def __init__(self, settings: WebhookSettings, context: Context) -> None:
        self.name = settings.name
        self.recipients: tuple[str, ...] = (settings.name,)
        self._token = settings.token
        self._key = settings.signing_key
        self._poster = HttpPoster(
            settings.url,
            context.targets,
            connect_s=settings.connect_timeout_s,
            answer_s=settings.timeout_s,
            now=context.now,
        )

    def deliver(self, notice: Notice, recipient: str, message_id: str) -> Delivery:
        """Post once. The body of one notice is the same bytes at every attempt, and so is its signature."""
        if recipient not in self.recipients:
            return NO_RECIPIENT
        body = msgspec.json.encode(payload(notice, self.name))
        headers = {"Content-Type": "application/json", "User-Agent": "tapewatch", "Idempotency-Key": message_id}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token.reveal()}"
        if self._key:
            headers[SIGNATURE_HEADER] = signature(self._key, body)
        return self._poster.post(body, headers)


def signature(key: Secret, body: bytes) -> str:
    """`sha256=` and the HMAC-SHA256 of the body in hex: what the endpoint computes again, and compares."""
    return "sha256=" + hmac.new(key.reveal().encode(), body, hashlib.sha256).hexdigest()


def payload(notice: Notice, receiver: str) -> dict[str, Any]:  # Any: JSON of several shapes
    """Alertmanager's webhook message with one alert, the incident, and the whole notice under `tapewatch`."""
    incident, alert = notice.incident, notice.alert
    ended = ended_at(notice)
    status = "firing" if ended is None else "resolved"
    labels = {
        "alertname": alert.rule,
        "severity": incident.severity,
        "venue": incident.venue,
        "symbol": incident.symbol,
        "category": incident.category,
        "direction": incident.direction,
        "incident_id": incident.incident_id,
    }
    annotations = {"summary": subject(notice), "description": incident.message}
    one = {
        "status": status,
        "labels": labels,
        "annotations": annotations,
        "startsAt": incident.onset,
        "endsAt": ended or _NOT_ENDED,
        "generatorURL": notice.link or "",
        "fingerprint": incident.incident_id[:16],
    }
    return {
        "version": "4",
        "groupKey": incident.incident_id,
        "truncatedAlerts": 0,
        "status": status,
        "receiver": receiver,
        "groupLabels": {"incident_id": incident.incident_id},
        "commonLabels": labels,
        "commonAnnotations": annotations,
        "externalURL": notice.link or "",
        "alerts": [one],
        "tapewatch": {"event": notice.event, "incident": incident, "alert": alert, "group": notice.group},
    }
