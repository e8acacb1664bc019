"""E-mail addresses, and who may get reports."""

import re
from collections.abc import Iterable

from tapewatch.model.errors import InputError

# Plain ASCII addresses only: no display names, comments, quotes or source routes (% and !), so that what is checked is
# what the mail server acts on.
_LOCAL = r"[A-Za-z0-9#$&'+/=?^_`{|}~-]+(?:\.[A-Za-z0-9#$&'+/=?^_`{|}~-]+)*"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_ADDRESS = re.compile(rf"(?P<local>{_LOCAL})@(?P<domain>{DOMAIN.pattern})")


def check_address(text: str) -> str:
    """`text`, if it is one plain e-mail address; InputError otherwise.

    >>> check_address("desk@example.org")
    'desk@example.org'
    """
    match = _ADDRESS.fullmatch(text)
    if match is None or len(text) > 254 or len(match["local"]) > 64:
        raise InputError(f"{text[:80]!r} is not an e-mail address like desk@example.org")
    return text


class AllowList:
    """Who may get reports: exact addresses, or every address `@domain`. Empty means nobody.

    >>> AllowList(["@example.org"]).check("Desk@Example.org")
    'Desk@Example.org'
    """

    def __init__(self, entries: Iterable[str]) -> None:
        """Raises InputError for an entry that is neither."""
        self._entries = frozenset(self._entry(entry) for entry in entries)

    @staticmethod
    def _entry(entry: str) -> str:
        if not (entry.startswith("@") and DOMAIN.fullmatch(entry[1:])):
            check_address(entry)
        return entry.lower()

    def check(self, recipient: str) -> str:
        """`recipient`, if it is an address on the list; InputError otherwise, without telling who is on it."""
        address = check_address(recipient).lower()
        if address not in self._entries and address[address.rindex("@") :] not in self._entries:
            raise InputError(f"{recipient!r} may not get reports: add it, or its @domain, to the allowed recipients")
        return recipient
