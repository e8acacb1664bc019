"""Errors named by what the caller must do: fix the input, try again, or give up. Each names the offending thing."""


class TapewatchError(Exception):
    """Base of every error that tapewatch raises on purpose; its text is fit to be shown to a user."""


class InputError(TapewatchError):
    """The input (file, setting, rule, request) is wrong: fix it and call again; trying again unchanged is useless."""


class DeniedError(InputError):
    """A server does not let this process in: its settings are wrong, not what somebody asked of it."""


class RetryableError(TapewatchError):
    """A server or resource did not answer or was busy: the same call may succeed later."""


class GiveUpError(TapewatchError):
    """It cannot succeed, now or later, without a person changing something outside of this call."""


class UnknownLayoutError(GiveUpError):
    """State was written by another version, in a form that this one does not know: it is never guessed. Build it again
    from the tape."""


class CommitRefusedError(TapewatchError):
    """A shard's compare-and-set did not hold; nothing was written.

    `reason` is one of `incarnation`, `fingerprint`, `epoch`, `start`: the first check that failed. The caller drops its
    in-memory state, loads the shard again and goes on from the stored `next`.
    """

    def __init__(self, reason: str, expected: object, stored: object) -> None:
        super().__init__(f"commit refused: {reason} is {stored!r} in the store, the batch was made for {expected!r}")
        self.reason = reason
