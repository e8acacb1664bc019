"""What the API says of silences."""

from typing import Literal

import msgspec

from tapewatch.alerts.matching import Matcher
from tapewatch.alerts.silences import Silence
from tapewatch.model.times import format_rfc3339


class SilenceView(msgspec.Struct, frozen=True, kw_only=True):
    """Notices that are not sent for a while, and who answers for it."""

    silence_id: str
    owner: str
    reason: str
    starts: str | None  # null: since ever
    expires: str
    state: Literal["pending", "active", "expired"]
    source: Literal["settings", "api"]
    match: Matcher


class SilenceList(msgspec.Struct, frozen=True, kw_only=True):
    items: list[SilenceView]


def silence_state(silence: Silence, now_ns: int) -> Literal["pending", "active", "expired"]:
    if now_ns >= silence.expires_ns:
        return "expired"
    return "active" if now_ns >= silence.starts_ns else "pending"


def silence_view(silence: Silence, source: Literal["settings", "api"], now_ns: int) -> SilenceView:
    return SilenceView(
        silence_id=silence.silence_id,
        owner=silence.owner,
        reason=silence.reason,
        starts=format_rfc3339(silence.starts_ns) if silence.starts_ns else None,
        expires=format_rfc3339(silence.expires_ns),
        state=silence_state(silence, now_ns),
        source=source,
        match=silence.match,
    )
