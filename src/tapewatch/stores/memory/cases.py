"""What people did, in memory."""

import threading
from collections.abc import Sequence

import msgspec

from tapewatch.alerts.silences import Silence
from tapewatch.model.alerts import AuditEntry, Case
from tapewatch.model.errors import CommitRefusedError


class MemoryCaseStore:
    """A `CaseStore` in this process's memory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cases: dict[str, Case] = {}
        self._audit: list[AuditEntry] = []
        self._silences: dict[str, Silence] = {}

    def cases(self, alert_ids: Sequence[str]) -> dict[str, Case]:
        """As the port says."""
        with self._lock:
            return {a: self._cases[a] for a in alert_ids if a in self._cases}

    def put(self, case: Case, entry: AuditEntry) -> AuditEntry:
        """As the port says."""
        with self._lock:
            stored = self._cases.get(case.alert_id)
            version = stored.version if stored else 0
            if version != case.version - 1:
                raise CommitRefusedError("version", case.version - 1, version)
            self._cases[case.alert_id] = case
            return self._append(entry)

    def audit_append(self, entry: AuditEntry) -> AuditEntry:
        """As the port says."""
        with self._lock:
            return self._append(entry)

    def put_silence(self, silence: Silence, entry: AuditEntry) -> AuditEntry:
        """As the port says."""
        with self._lock:
            self._silences[silence.silence_id] = silence
            return self._append(entry)

    def silences(self) -> list[Silence]:
        """As the port says."""
        with self._lock:
            return [self._silences[name] for name in sorted(self._silences)]

    def audit(self, subject: str | None, after: int, limit: int) -> list[AuditEntry]:
        """As the port says."""
        with self._lock:
            newer = self._audit[max(after, 0) :]
        return [entry for entry in newer if subject in {None, entry.subject}][: max(limit, 0)]

    def _append(self, entry: AuditEntry) -> AuditEntry:
        numbered = msgspec.structs.replace(entry, seq=len(self._audit) + 1)
        self._audit.append(numbered)
        return numbered
