"""A value that must never be shown: passwords, tokens, addresses that carry a token."""

import hmac
from typing import NoReturn


class Secret:
    """Holds a text that `repr`, `str`, formatting, pickling and the JSON encoders do not give away; `reveal()` does.

    `reference` says where the text came from (`file:/run/secrets/smtp`, `env:SMTP_PASSWORD`), empty where it stood in
    the settings themselves; it may be shown.

    >>> key = Secret("hunter2")
    >>> f"{key} {key!r}", key.reveal()
    ('*** ***', 'hunter2')
    """

    __slots__ = ("_text", "reference")

    def __init__(self, text: str, reference: str = "") -> None:
        self._text = text
        self.reference = reference

    def reveal(self) -> str:
        """The text itself: only at the moment of use, never into a log line, an error or a URL that is shown."""
        return self._text

    def __repr__(self) -> str:
        return "***"

    def __str__(self) -> str:
        return "***"

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")
