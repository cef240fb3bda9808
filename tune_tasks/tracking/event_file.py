"""TensorBoard's event files, as far as they hold points of curves.

Written here because the libraries that write them cost more than they do: tensorboardX imports
torch if it is installed (2 CPU seconds), and keeping it from that means to replace an entry of
`sys.modules`, which breaks an import of torch in another thread at that moment.

The format, from the inside out:

- An event is a protocol buffer message `tensorflow.Event`: `wall_time` is field 1, `step` 2,
  `file_version` 3 and `summary` 5. A summary is a list of values (field 1), and a value has a `tag`
  (field 1) and a `simple_value` (field 2).
- A record is the event's length (8 bytes), a checksum of the length, the event, and a checksum of
  the event. TensorBoard ends its reading of a file at the first record whose checksum is wrong.
- A file is one record with the format's version, and then the points.
"""

from __future__ import annotations

import contextlib
import math
import os
import socket
import struct
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PATTERN = "events.out.tfevents.*"
"""Names of event files, of any writer; TensorBoard looks for the part in the middle."""

_VERSION = b"brain.Event:2"
_VARINT, _DOUBLE, _BYTES, _FLOAT = 0, 1, 2, 5  # wire types of protocol buffers
_MOST_STEPS = 2**63 - 1


@dataclass(frozen=True)
class Points:
    """One point of each of some curves, all at the same step.

    Attributes:
        values: The points' values, by the curve's name.
        step: Their place on the x axis.
        wall_time: Seconds since the epoch.
    """

    values: Mapping[str, float]
    step: int
    wall_time: float


class EventFile:
    """One event file; is there with the first points.

    Args:
        folder: Where it is to be.
    """

    def __init__(self, folder: Path) -> None:
        name = PATTERN.replace("*", f"{int(time.time())}.{socket.gethostname()}")
        self._path = folder / name

    def append(self, points: Iterable[Points]) -> None:
        """Write all of the points, or none of them if that fails."""
        records = b"".join(_record(_event(each)) for each in points)
        self._path.parent.mkdir(parents=True, exist_ok=True)  # something else may have removed it
        # Without a buffer: what did not fit on the disk would stay in it, and be written later.
        with self._path.open("ab", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            if size == 0:
                records = _record(_first_event()) + records
            try:
                _write_all(file.write, records)
            except OSError:
                with contextlib.suppress(OSError):
                    file.truncate(size)
                raise


def _write_all(write: Callable[[memoryview], int | None], data: bytes) -> None:
    """Write everything; an unbuffered file may take less than it was given."""
    left = memoryview(data)
    while left:
        left = left[write(left) or 0 :]


def _record(event: bytes) -> bytes:
    length = struct.pack("<Q", len(event))
    return b"".join([length, _checksum(length), event, _checksum(event)])


def _first_event() -> bytes:
    return _double_field(1, time.time()) + _bytes_field(3, _VERSION)


def _event(points: Points) -> bytes:
    values = (_value(name, value) for name, value in points.values.items())
    summary = b"".join(_bytes_field(1, value) for value in values)
    step = _varint_field(2, min(points.step, _MOST_STEPS))
    return _double_field(1, points.wall_time) + step + _bytes_field(5, summary)


def _value(name: str, value: float) -> bytes:
    return _bytes_field(1, name.encode()) + _float_field(2, value)


def _double_field(number: int, value: float) -> bytes:
    return _key(number, _DOUBLE) + struct.pack("<d", value)


def _float_field(number: int, value: float) -> bytes:
    try:
        packed = struct.pack("<f", value)
    except OverflowError:  # finite, but too large for four bytes
        packed = struct.pack("<f", math.copysign(math.inf, value))
    return _key(number, _FLOAT) + packed


def _bytes_field(number: int, value: bytes) -> bytes:
    return _key(number, _BYTES) + _varint(len(value)) + value


def _varint_field(number: int, value: int) -> bytes:
    return _key(number, _VARINT) + _varint(value)


def _key(number: int, wire_type: int) -> bytes:
    return _varint(number << 3 | wire_type)


def _varint(value: int) -> bytes:
    """Encode a number that is not negative, seven bits a byte, the lowest first."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _crc_table() -> Iterator[int]:
    """Yield CRC-32C's remainder of every byte (Castagnoli's polynomial, bits reversed)."""
    for byte in range(256):
        remainder = byte
        for _ in range(8):
            carry = remainder & 1
            remainder >>= 1
            if carry:
                remainder ^= 0x82F63B78
        yield remainder


_CRC_TABLE = tuple(_crc_table())


def _checksum(data: bytes) -> bytes:
    """Return CRC-32C, masked: the checksum of data that hold checksums would be weak."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _CRC_TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    rotated = (crc >> 15 | crc << 17) & 0xFFFFFFFF
    return struct.pack("<I", (rotated + 0xA282EAD8) & 0xFFFFFFFF)
