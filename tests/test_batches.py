"""Records of a fetch, some of them with headers that the client gives up on."""

import struct
from typing import Any

import aiokafka.consumer.fetcher
import pytest
from aiokafka.codec import gzip_encode
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c
from hypothesis import given
from hypothesis import strategies as st

from relay.batches import Records

NAME, CRC_AT, CHECKED_FROM = b"NAME", 17, 21
NONE, GZIP = 0, 1


def a_batch(*records: tuple[bytes | None, str], first: int = 0, codec: int = NONE, name: bytes = NAME) -> bytes:
    """Value and header's name of each; where the name is NAME, these four bytes stand instead."""
    head = 61  # of a batch, in bytes: its records, and what of it is compressed, follow
    builder = DefaultRecordBatchBuilder(2, NONE, 0, -1, -1, -1, 1 << 20)
    for offset, (value, header) in enumerate(records):
        builder.append(offset, timestamp=7, key=b"k", value=value, headers=[(header, b"x"), ("null", None)])
    raw = bytearray(bytes(builder.build()).replace(NAME, name))
    if codec != NONE:
        raw = raw[:head] + bytearray(gzip_encode(bytes(raw[head:])))
        raw[22] = codec
        raw[8:12] = struct.pack(">i", len(raw) - 12)
    raw[:8] = struct.pack(">q", first)
    raw[CRC_AT : CRC_AT + 4] = struct.pack(">I", calc_crc32c(bytes(raw[CHECKED_FROM:])))
    return bytes(raw)


def read(records: Any) -> list[tuple[Any, ...]]:  # noqa: ANN401  either
    told: list[tuple[Any, ...]] = []
    while records.has_next():
        batch = records.next_batch()
        assert batch.validate_crc()
        told += [(one.offset, one.timestamp, one.key, one.value, one.headers) for one in batch]
        told.append((batch.base_offset, batch.next_offset, batch.is_control_batch, batch.producer_id))
    assert records.next_batch() is None
    return told


def test_what_the_client_can_read_is_read_as_it_does() -> None:
    """Several batches, compressed or not, and one that is cut at the end of a fetch."""
    raw = a_batch((b"a", "é"), (None, "b")) + a_batch((b"c", "d"), first=9, codec=GZIP) + a_batch((b"e", "f"))[:-3]

    assert read(MemoryRecords(raw)) == read(Records(raw))
    assert len(raw) == Records(raw).size_in_bytes()


@pytest.mark.parametrize("codec", [NONE, GZIP])
def test_a_header_whose_name_is_no_text_costs_no_record(codec: int) -> None:
    """The client raises; here those before it, it, and those behind it are there once, in order."""
    raw = a_batch((b"a", "x"), (b"b", "NAME"), (b"c", "y"), first=5, codec=codec, name=b"\xff\xfe\x00a")

    with pytest.raises(UnicodeDecodeError):
        read(MemoryRecords(raw))
    told = read(Records(raw + a_batch((b"d", "z"), first=8)))

    assert [(5, b"a"), (6, b"b"), (7, b"c"), (8, b"d")] == [(one[0], one[3]) for one in told if len(one) == 5]
    assert (("\\xff\\xfe\x00a", b"x"), ("null", None)) == tuple(told[1][4])


@given(st.binary(min_size=4, max_size=4))
def test_any_four_bytes_are_a_name(name: bytes) -> None:
    """Those that are text are that text."""
    [record, _] = read(Records(a_batch((b"a", "NAME"), name=name)))

    assert name.decode("utf-8", "backslashreplace") == record[4][0][0]


def test_every_consumer_reads_so() -> None:
    """Whoever imports what connects to a broker."""
    import relay.broker  # noqa: F401, PLC0415  it is what is tested

    assert aiokafka.consumer.fetcher.MemoryRecords is Records
