"""Reads one partition without an object a message: librdkafka's own batch call, copied to one buffer in compiled code.

The Python client makes an object of every message, which alone costs more than everything else that happens to a tick.
The library that it brings along can be called without it: this asks for an array of pointers to messages and lets
compiled code copy them out, without the interpreter's lock. Only public functions of librdkafka are called (its "legacy
consumer": one partition from a given offset, no group), and only in the very library that the client has loaded.
"""

import ctypes
import ctypes.util
import math
from functools import cache
from pathlib import Path
from typing import Any

import confluent_kafka
import numpy as np
from confluent_kafka import KafkaError

from tapewatch.model.errors import InputError
from tapewatch.tape.kafka_errors import as_ours
from tapewatch.tape.kafka_settings import KafkaSettings
from tapewatch.tape.port import RawBatch

MS_NS = 1_000_000
_CONSUMER, _OK = 1, 0  # values of librdkafka's enumerations
_ERROR_BYTES = 512
_POINTER, _INT32, _INT64 = ctypes.c_void_p, ctypes.c_int32, ctypes.c_int64
_TEXT, _SIZE, _INT = ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int
_CALLS: dict[str, tuple[Any, list[Any]]] = {
    "rd_kafka_version": (_INT, []),
    "rd_kafka_conf_new": (_POINTER, []),
    "rd_kafka_conf_set": (_INT, [_POINTER, _TEXT, _TEXT, _TEXT, _SIZE]),
    "rd_kafka_conf_destroy": (None, [_POINTER]),
    "rd_kafka_new": (_POINTER, [_INT, _POINTER, _TEXT, _SIZE]),
    "rd_kafka_destroy": (None, [_POINTER]),
    "rd_kafka_poll": (_INT, [_POINTER, _INT]),
    "rd_kafka_topic_new": (_POINTER, [_POINTER, _TEXT, _POINTER]),
    "rd_kafka_topic_destroy": (None, [_POINTER]),
    "rd_kafka_last_error": (_INT, []),
    "rd_kafka_consume_start": (_INT, [_POINTER, _INT32, _INT64]),
    "rd_kafka_consume_stop": (_INT, [_POINTER, _INT32]),
    "rd_kafka_consume_batch": (ctypes.c_ssize_t, [_POINTER, _INT32, _INT, _POINTER, _SIZE]),
}


class NativeReader:
    """A `PartitionReader` at about 0.3 us a message, most of which runs beside other threads."""

    def __init__(self, library: ctypes.CDLL, settings: KafkaSettings, topic: str, partition: int) -> None:
        """`library` is what `load_library` gives."""
        self._lib, self._partition = library, partition
        self._what = f"reading {topic}/{partition}"
        self._client: int | None = _client(library, settings)
        self._topic = library.rd_kafka_topic_new(self._client, topic.encode(), None)
        if not self._topic:
            library.rd_kafka_destroy(self._client)
            raise as_ours(KafkaError(library.rd_kafka_last_error()), self._what)
        self._started = False
        self._pointers = np.zeros(0, np.int64)

    def seek(self, offset: int) -> None:
        self._stop()
        if self._lib.rd_kafka_consume_start(self._topic, self._partition, offset) != _OK:
            raise as_ours(KafkaError(self._lib.rd_kafka_last_error()), self._what)
        self._started = True

    def take(self, start: int, max_messages: int, wait_s: float) -> RawBatch:
        from tapewatch.tape.kafka_copy import copy_messages

        self._lib.rd_kafka_poll(self._client, 0)  # what the library wants to tell or renew
        if self._pointers.size < max_messages:
            self._pointers = np.zeros(max_messages, np.int64)
        count = self._fetch(0, 1, math.ceil(wait_s * 1000))  # never 0 for less than 1 ms: who waits would spin
        if count and max_messages > 1:
            count += self._fetch(1, max_messages - 1, 0)
        copied = copy_messages(self._pointers[:count])
        if copied.error:
            raise as_ours(KafkaError(copied.error), self._what)
        last = int(copied.offsets[-1]) + 1 if copied.offsets.size else start
        return RawBatch(
            data=copied.data.tobytes(),
            starts=copied.starts,
            offsets=copied.offsets,
            ts_append_ns=np.maximum(copied.stamps_ms, 0) * MS_NS,
            start=start,
            end=max(last, copied.end_of_log),
        )

    def close(self) -> None:
        if self._client:
            self._stop()
            self._lib.rd_kafka_topic_destroy(self._topic)
            self._lib.rd_kafka_destroy(self._client)
            self._client = None

    def _fetch(self, at: int, count: int, wait_ms: int) -> int:
        into = self._pointers.ctypes.data + 8 * at
        got = int(self._lib.rd_kafka_consume_batch(self._topic, self._partition, wait_ms, into, count))
        if got < 0:
            raise as_ours(KafkaError(self._lib.rd_kafka_last_error()), self._what)
        return got

    def _stop(self) -> None:
        if self._started:
            self._lib.rd_kafka_consume_stop(self._topic, self._partition)
            self._started = False


def native_reader(settings: KafkaSettings, topic: str, partition: int) -> NativeReader | None:
    """A reader on the client's own library; None where that cannot be found."""
    library = load_library()
    return None if library is None else NativeReader(library, settings, topic, partition)


@cache
def load_library() -> ctypes.CDLL | None:
    """The librdkafka that the Python client uses, its functions typed; None where it is not found or is another one."""
    package = Path(confluent_kafka.__file__).parent
    folders = (package.parent / "confluent_kafka.libs", package / ".dylibs")
    paths = [str(p) for folder in folders if folder.is_dir() for p in sorted(folder.glob("librdkafka*"))]
    system = ctypes.util.find_library("rdkafka")
    for path in [*paths, *([system] if system else [])]:
        try:
            library = ctypes.CDLL(path)
            for name, (result, arguments) in _CALLS.items():
                function = getattr(library, name)
                function.restype, function.argtypes = result, arguments
        except (OSError, AttributeError):  # not loadable here, or without the functions that are needed
            continue
        if ctypes.sizeof(ctypes.c_void_p) == 8 and library.rd_kafka_version() == confluent_kafka.libversion()[1]:
            return library
    return None


def _client(library: ctypes.CDLL, settings: KafkaSettings) -> int:
    conf = library.rd_kafka_conf_new()
    problem = ctypes.create_string_buffer(_ERROR_BYTES)
    for name, value in settings.reader().items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if library.rd_kafka_conf_set(conf, name.encode(), text.encode(), problem, _ERROR_BYTES) != _OK:
            library.rd_kafka_conf_destroy(conf)
            raise InputError(f"Kafka's setting {name} is not valid")  # its own text would show the value
    client = library.rd_kafka_new(_CONSUMER, conf, problem, _ERROR_BYTES)
    if not client:
        library.rd_kafka_conf_destroy(conf)
        raise InputError(f"Kafka: {problem.value.decode(errors='replace')}")
    return int(client)
