"""Copies librdkafka's messages out of its memory and frees them: compiled, without the interpreter's lock."""

from functools import cache
from typing import Any, NamedTuple

import confluent_kafka
import llvmlite.binding  # type: ignore[import-untyped] # has no types
import numpy as np
from numba import carray, types  # type: ignore[attr-defined] # numba states no exports
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from tapewatch.tape.compiled import compiled, kept

# A rd_kafka_message_t is nine words: error, topic, partition, payload, its length, key, its length, offset, private.
_WORDS, _ERROR, _PAYLOAD, _LENGTH, _OFFSET = 9, 0, 3, 4, 7
_END_OF_LOG = confluent_kafka.KafkaError._PARTITION_EOF
_stamp_ms: Any = types.ExternalFunction("rd_kafka_message_timestamp", types.int64(types.int64, types.int64))
_give_back: Any = types.ExternalFunction("rd_kafka_message_destroy", types.void(types.int64))


class Copied(NamedTuple):
    """Messages in the order in which they stood. `end_of_log` is 0 where the end was not told, `error` is librdkafka's
    number of the first error, 0 where there was none."""

    data: NDArray[np.uint8]
    starts: NDArray[np.int64]
    offsets: NDArray[np.int64]
    stamps_ms: NDArray[np.int64]
    end_of_log: int
    error: int


def copy_messages(pointers: NDArray[np.int64]) -> Copied:
    """Copy the messages at these addresses and free them: afterwards the addresses mean nothing."""
    return Copied(*_entry()(pointers))


@cache
def _entry() -> Any:
    from tapewatch.tape.kafka_native import load_library

    library = load_library()
    if library is None:
        raise AssertionError("unreachable: there are no messages without the library")
    llvmlite.binding.load_library_permanently(library._name)  # so that compiled code finds its functions by name
    return kept(_copy, __name__)


@intrinsic  # Numba replaces the context by nothing: a call has the address alone
def _pointer(typing_context: Any, address: Any) -> Any:  # noqa: ARG001 - Numba's signature of an intrinsic
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        return builder.inttoptr(arguments[0], cgutils.voidptr_t)

    return types.voidptr(types.int64), generate


_as_pointer: Any = _pointer


@compiled
def _copy(
    pointers: NDArray[np.int64],
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], int, int]:
    count, total, end_of_log, error = 0, 0, 0, 0
    for i in range(pointers.size):
        message = carray(_as_pointer(pointers[i]), _WORDS, np.int64)
        code = np.int64(np.int32(message[_ERROR] & 0xFFFFFFFF))
        if code == 0:
            count += 1
            total += message[_LENGTH]
        elif code == _END_OF_LOG:
            end_of_log = max(end_of_log, message[_OFFSET])
        elif error == 0:
            error = int(code)
    data, starts = np.empty(total, np.uint8), np.empty(count + 1, np.int64)
    offsets, stamps_ms = np.empty(count, np.int64), np.empty(count, np.int64)
    at, k = 0, 0
    for i in range(pointers.size):
        message = carray(_as_pointer(pointers[i]), _WORDS, np.int64)
        if message[_ERROR] & 0xFFFFFFFF == 0:
            size = message[_LENGTH]
            if size:
                data[at : at + size] = carray(_as_pointer(message[_PAYLOAD]), size, np.uint8)
            starts[k], offsets[k], stamps_ms[k] = at, message[_OFFSET], _stamp_ms(pointers[i], 0)
            at, k = at + size, k + 1
        _give_back(pointers[i])
    starts[k] = at
    return data, starts, offsets, stamps_ms, end_of_log, error
