"""Silences: somebody answers for it that certain notices are not sent for a while."""

from collections.abc import Sequence

import msgspec

from tapewatch.alerts.matching import Matcher
from tapewatch.model.alerts import Alert, Incident
from tapewatch.model.times import format_rfc3339


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """Mutes the notices that match, in [starts_ns, expires_ns). Detection, alerts and their record go on.

    ValueError for a silence without owner, reason or matcher, and for one that ends before it starts: nobody could say
    later why nothing was heard.
    """

    silence_id: str
    owner: str
    reason: str
    starts_ns: int = 0
    expires_ns: int
    match: Matcher

    def __post_init__(self) -> None:
        for name in ("silence_id", "owner", "reason"):
            if not getattr(self, name).strip():
                raise ValueError(f"a silence needs its {name}")
        if self.match.empty:
            raise ValueError('a silence needs something to match; symbols = ["*"] mutes everything')
        if self.expires_ns <= self.starts_ns:
            raise ValueError("a silence ends after it starts")

    def mutes(self, incident: Incident, alert: Alert, now_ns: int) -> bool:
        """Whether it is in force and speaks of this incident."""
        return self.starts_ns <= now_ns < self.expires_ns and self.match.matches(incident, alert)


def silenced_by(silences: Sequence[Silence], incident: Incident, alert: Alert, now_ns: int) -> str | None:
    """Why a notice is muted, in words fit to be shown, or None. Of several silences, the one that lasts longest."""
    muting = [silence for silence in silences if silence.mutes(incident, alert, now_ns)]
    if not muting:
        return None
    silence = max(muting, key=lambda s: (s.expires_ns, s.silence_id))
    until = format_rfc3339(silence.expires_ns)
    return f"silence {silence.silence_id} of {silence.owner} until {until}: {silence.reason}"
