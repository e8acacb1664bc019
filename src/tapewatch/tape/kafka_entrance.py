"""The first call on the brokers: whether they let us in, and if not, why.

The client keeps such reasons to itself and goes on trying: every call then says no more than that it timed out.
"""

import logging
import re
import time

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from tapewatch.model.errors import InputError, RetryableError
from tapewatch.tape.kafka_settings import KafkaSettings

_log = logging.getLogger(__name__)
WAIT_S = 3.0
_ASK_S = 1.0
_HEARD_S = 0.5  # the call may fail before the client has told why
_UNTRUSTED = "certificate verify failed"
_AFTER = re.compile(r" \(after \d+ms in state \w+\)")  # makes two of the same look different


def knock(settings: KafkaSettings, wait_s: float | None = None) -> None:
    """Return if a broker lets us in. InputError, within a second or two, where it refuses the credentials or we do not
    trust its certificate; RetryableError with the client's reason where none answers within `wait_s` (None: the
    time-out of the settings)."""
    heard: list[KafkaError] = []
    what = f"Kafka at {settings.bootstrap}"
    try:
        admin = AdminClient(settings.common() | {"error_cb": heard.append})  # type: ignore[arg-type] # callbacks are left out there
    except KafkaException as error:  # a certificate that is not there, or cannot be read
        raise InputError(f"{what}: {error.args[0].str()}") from error
    give_up = time.monotonic() + (settings.timeout_s if wait_s is None else wait_s)
    while (trouble := _ask(admin, heard, what)) is not None:
        if isinstance(trouble, InputError) or time.monotonic() >= give_up:
            raise trouble


def _ask(admin: AdminClient, heard: list[KafkaError], what: str) -> InputError | RetryableError | None:
    try:
        admin.list_topics(timeout=_ASK_S)
        return None
    except KafkaException as error:
        admin.poll(_HEARD_S)  # what it has heard
        reasons = [found for found in heard if found.code() != KafkaError._ALL_BROKERS_DOWN]
        return refusal(reasons[-1], what) if reasons else RetryableError(f"{what}: {error.args[0].str()}")


def enter(settings: KafkaSettings) -> None:
    """`knock` for a process that waits for brokers which are away: that is told in the log. InputError as there."""
    try:
        knock(settings, WAIT_S)
    except RetryableError as error:
        _log.warning("%s; it is tried again", error)


def refusal(heard: KafkaError, what: str) -> InputError | RetryableError:
    """The error for what a client heard in the background. Kafka's texts hold no secrets."""
    said = _AFTER.sub("", heard.str())
    if heard.code() == KafkaError._AUTHENTICATION:
        return InputError(f"{what}: the broker refused the credentials: {said}")
    if _UNTRUSTED in said:
        return InputError(f"{what}: the broker's certificate is not trusted, see kafka.ca_file: {said}")
    return RetryableError(f"{what}: {said}")
