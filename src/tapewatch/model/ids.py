"""Ids that do not depend on how the tape is stored, cut or dealt to shards."""

import hashlib

PROVISIONAL_K, WITHDRAWN_K = -2, -3
"""The k of signals about a bar that was not over: there is one of each a bar, rule and direction."""


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def alert_id(venue: str, symbol: str, rule: str, rule_version: str, direction: str, ts_event_ns: int, k: int) -> str:
    """32 hex digits of BLAKE2b over what makes an episode the episode that it is.

    `ts_event_ns` and `k` are those of the tick that began it; k counts the earlier accepted ticks of that venue and
    symbol with the same time. An alert opened by a timer has the deadline as its time and k = -1.
    """
    return _digest(f"alert\x1f{venue}\x1f{symbol}\x1f{rule}\x1f{rule_version}\x1f{direction}\x1f{ts_event_ns}\x1f{k}")


def incident_id(venue: str, symbol: str, category: str, onset_ns: int, k: int) -> str:
    """32 hex digits naming an incident by its first alert's onset; price and data-quality incidents are apart."""
    return _digest(f"incident\x1f{venue}\x1f{symbol}\x1f{category}\x1f{onset_ns}\x1f{k}")


def signal_id(venue: str, symbol: str, rule: str, rule_version: str, direction: str, ts_event_ns: int, k: int) -> str:
    """32 hex digits naming one tick on which one rule fired in one direction."""
    return _digest(f"signal\x1f{venue}\x1f{symbol}\x1f{rule}\x1f{rule_version}\x1f{direction}\x1f{ts_event_ns}\x1f{k}")


def group_id(market: str, opened_ns: int) -> str:
    """32 hex digits naming a market-wide move by the minute in which it was recognised."""
    return _digest(f"group\x1f{market}\x1f{opened_ns}")
