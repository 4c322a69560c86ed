"""
Records as a fetch brings them, also where the client would give up on one. Edge (aiokafka 0.14).

The name of a record's header may be any bytes: no broker looks, and not every producer does. The client takes it for
UTF-8 and raises where it is none, so one such record would stop its partition for ever. Here it is read again, and the
bytes that are no text are written out in hexadecimal: what relay asks for by name is not among them.
"""

import struct
from collections.abc import Iterator
from itertools import islice
from typing import Any, Self

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy as SlowBatch
from aiokafka.record.memory_records import MemoryRecords

_HEAD = struct.Struct(">qi")  # of a batch: its first offset, and the bytes that follow


class Lenient(bytearray):
    """Any bytes have a text."""

    def __getitem__(self, at: Any) -> Any:  # noqa: ANN401  an int's is an int, a slice's one like this
        got = super().__getitem__(at)
        return Lenient(got) if isinstance(at, slice) else got

    def decode(self, *_: object) -> str:
        return bytes(self).decode("utf-8", "backslashreplace")


class Batch:
    """The client's, but for how its records are read."""

    def __init__(self, quick: Any, raw: memoryview) -> None:  # noqa: ANN401  an untyped library's
        self._quick = quick
        self._raw = raw

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._quick, name)

    def __iter__(self) -> Iterator[Any]:
        read = 0
        try:
            for record in self._quick:
                read += 1
                yield record
        except UnicodeDecodeError:
            slow = iter(SlowBatch(self._raw))  # decompressed by now
            slow._buffer = Lenient(slow._buffer)  # noqa: SLF001  it has no other way to be told
            yield from islice(slow, read, None)

    def __next__(self) -> Any:  # noqa: ANN401  of a marker, which has one record
        return next(self._quick)


class Records:
    """What the client makes of the bytes of a partition."""

    def __init__(self, raw: bytes) -> None:
        self._raw = memoryview(raw)
        self._quick = MemoryRecords(raw)
        self._at = 0

    def size_in_bytes(self) -> int:
        return len(self._raw)

    def has_next(self) -> bool:
        has: bool = self._quick.has_next()
        return has

    def next_batch(self) -> Batch | None:
        batch, start = self._quick.next_batch(), self._at
        if batch is None:
            return None
        self._at += _HEAD.size + _HEAD.unpack_from(self._raw, start)[1]
        return Batch(batch, self._raw[start : self._at])

    @classmethod
    def read_by_every_consumer(cls) -> type[Self]:
        """In place of the client's own, in this process: it takes no other as an argument."""
        fetcher.MemoryRecords = cls
        return cls


Records.read_by_every_consumer()
