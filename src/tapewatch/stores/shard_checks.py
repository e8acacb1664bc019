"""The compare-and-set of a shard's commit: one definition for every adapter that checks on this side of the wire."""

from tapewatch.model.errors import CommitRefusedError
from tapewatch.model.ticks import Fate
from tapewatch.stores.port import Commit, ShardHead


def check_commit(commit: Commit, head: ShardHead | None) -> None:
    """Raise CommitRefusedError for the first of incarnation, fingerprint, epoch, start that does not hold.

    A shard that the store does not know has no incarnation, so it is refused for that. Raises ValueError where the
    commit would move the shard backwards: no caller means that.
    """
    check_direction(commit)
    if head is None:
        raise CommitRefusedError("incarnation", commit.incarnation, None)
    if commit.incarnation != head.incarnation:
        raise CommitRefusedError("incarnation", commit.incarnation, head.incarnation)
    if commit.fingerprint != head.fingerprint:
        raise CommitRefusedError("fingerprint", commit.fingerprint, head.fingerprint)
    if commit.epoch != head.epoch:
        raise CommitRefusedError("epoch", commit.epoch, head.epoch)
    if commit.start != head.next:
        raise CommitRefusedError("start", commit.start, head.next)


def check_direction(commit: Commit) -> None:
    """Raise ValueError where the commit would move the shard backwards."""
    if commit.end < commit.start:
        raise ValueError(f"commit of shard {commit.shard} ends at {commit.end}, before its start {commit.start}")


def check_owner(owner: ShardHead, head: ShardHead | None) -> None:
    """Raise CommitRefusedError for the first of incarnation, epoch that is no longer `owner`'s."""
    if head is None or owner.incarnation != head.incarnation:
        raise CommitRefusedError("incarnation", owner.incarnation, head.incarnation if head else None)
    if owner.epoch != head.epoch:
        raise CommitRefusedError("epoch", owner.epoch, head.epoch)


def check_place(owner: ShardHead, head: ShardHead | None) -> None:
    """As `check_owner`, and `start` where the shard stands before `owner.next`: the store has lost a part."""
    check_owner(owner, head)
    if head is not None and head.next < owner.next:
        raise CommitRefusedError("start", owner.next, head.next)


def check_rule_change(commit: Commit) -> None:
    """Raise ValueError where a change of rules would also pass records: it happens between two of them."""
    if commit.start != commit.end:
        raise ValueError(f"rules change at one offset, not over [{commit.start}, {commit.end})")


def add_fates(stored: dict[Fate, int], more: dict[Fate, int]) -> dict[Fate, int]:
    """The sums by fate; only fates that occurred."""
    sums = dict(stored)
    for fate, count in more.items():
        sums[fate] = sums.get(fate, 0) + count
    return sums
