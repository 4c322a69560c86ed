"""
The settled map: what of a partition is settled above its committed offset, as that commit's metadata. Pure.

A restart reads from the committed offset again, and the map keeps it from sending again what has long been done behind
one slow record. Layout, big-endian, in base64:

    version 2 | base 8 | top 8 | of the record at top: timestamp 8, length 4, CRC-32 4 | nonce 8
    form 1 | bytes of the body | body      the open offsets of base..top: a bitmap, or gaps; whichever is smaller
    ids | groups                           how far fan-outs got: records in the same state share one group; with how
                                           many matches were settled before each open one, and in all
    CRC-32 of all before 4

Numbers without a width are varints (LEB128). The fingerprint binds the map to its log: one that was cut or made anew
has another record at top, or none. The nonce makes each commit's metadata its own, so that whoever reads it back knows
whose it is. On any doubt the map is no map, and the partition is replayed from base: sent twice, never lost.
"""

import struct
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from relay.model import Record

VERSION = 2  # 1 did not count matches
CHARACTERS = 3_900  # of base64; brokers take 4,096 (offset.metadata.max.bytes), 0.14 of aiokafka sends all of them
SPAN = 20_000  # offsets that fit whatever is open among them: a bitmap of 2,500 bytes, with room for some fan-outs
NONCE_BYTES = 8
MATCHES = 2**31  # of one record: there are no more subscriptions than that
_HEAD = struct.Struct(">BQQqII8s")
_CRC = struct.Struct(">I")
_BITMAP, _GAPS = 0, 1
_COUNTS_BYTES = 8  # at most, of the numbers of ids and groups


class Print(NamedTuple):
    """What tells a record from another that came to stand at its offset."""

    timestamp_ms: int
    length: int
    crc32: int


def print_of(record: Record) -> Print:
    """Its fingerprint; half a microsecond for 1 kB."""
    value = record.value or b""
    return Print(record.timestamp, len(value), zlib.crc32(value))


@dataclass(frozen=True, slots=True)
class Walked:
    """How far the fan-out of one record got: of all subscriptions up to `through`, in id order, only these are open."""

    through: str | None  # this one included; None: all
    open: tuple[str, ...] = ()  # ascending
    done: tuple[int, ...] = ()  # matches that are settled: before each open one, and last in all; (): none

    @property
    def matches(self) -> int:
        """How many of those that it covers had matched: their outcomes are in the log."""
        return self.done[-1] if self.done else 0

    def covers(self, subscription_id: str) -> bool:
        """Whether its delivery is settled."""
        return (self.through is None or subscription_id <= self.through) and subscription_id not in self.open

    def cut(self) -> "Walked":
        """The same knowledge up to the first open one: less, and small."""
        if not self.open:
            return self
        first = self.done[0] if self.done else 0
        return Walked(self.open[0], self.open[:1], (first, first) if first else ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What is known of base..top: of these offsets all are settled but the open ones."""

    base: int
    top: int
    print: Print  # of the record at top
    open: tuple[int, ...]  # ascending
    walked: Mapping[int, Walked]  # of some open ones, how far they got


def fits(open_: int, span: int) -> bool:
    """
    Whether a map of so many open offsets in so wide a span is sure to fit.

    As a bitmap it does by its span. As gaps, each takes a byte and another for every seven bits more; and of those gaps
    there are no more than fit into the span.
    """
    if span <= SPAN:
        return True
    bound, wide = open_, span >> 7
    while wide:
        bound += min(open_, wide)
        wide >>= 7
    return bound <= _room(CHARACTERS)


def lower_half(settled: Settled, prints: Mapping[int, Print | None]) -> Settled | None:
    """
    It did not fit: what is known of its lower half, so that the rest is replayed; None when that is nothing.

    Args:
        settled: The map.
        prints: Of its open offsets, as far as they were read; one of them is the new top.
    """
    count = len(settled.open)
    for place in range(min(count // 2, count - 2), 0, -1):
        top = settled.open[place]
        if (fingerprint := prints[top]) is not None:
            walked = {offset: how_far for offset, how_far in settled.walked.items() if offset <= top}
            open_ = settled.open[: place + 1]
            return Settled(base=settled.base, top=top, print=fingerprint, open=open_, walked=walked)
    return None


def encode(settled: Settled, nonce: bytes, characters: int = CHARACTERS) -> str:
    """
    The metadata; "" when the open offsets do not fit. Fan-outs fill what is left, the lowest offsets first.

    Never raises.
    """
    body = _body(settled)
    room = _room(characters) - len(body)
    if room < 0:
        return ""
    of = settled.print
    head = _HEAD.pack(VERSION, settled.base, settled.top, of.timestamp_ms, of.length, of.crc32, nonce)
    whole = head + body + _fan_outs(settled, room)
    return b64encode(whole + _CRC.pack(zlib.crc32(whole))).decode()


def decode(text: str, base: int) -> Settled | None:
    """The map that goes with this committed offset; None on any doubt. Never raises, whatever the text."""
    if len(text) > CHARACTERS:  # none of ours: a number without end would take its square of time
        return None
    try:
        raw = b64decode(text, validate=True)
        whole, (crc,) = raw[: -_CRC.size], _CRC.unpack(raw[-_CRC.size :])
        version, base_there, top, timestamp_ms, length, crc_there, _ = _HEAD.unpack_from(whole)
        if (crc, version, base_there) != (zlib.crc32(whole), VERSION, base) or top < base:
            return None
        reader = _Reader(whole, _HEAD.size)
        open_ = _open(reader, base, top)
        walked = _walked(reader, base)
        if reader.at != len(whole) or not walked.keys() <= set(open_):
            return None
        return Settled(base=base, top=top, print=Print(timestamp_ms, length, crc_there), open=open_, walked=walked)
    except (ValueError, IndexError, struct.error):
        return None


def _room(characters: int) -> int:
    """Bytes for body and fan-outs."""
    return characters // 4 * 3 - _HEAD.size - _CRC.size - _COUNTS_BYTES


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:  # noqa: PLR2004  seven bits a byte
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _gaps(base: int, offsets: Iterable[int]) -> bytes:
    out = bytearray()
    for offset in offsets:
        out += _varint(offset - base)
        base = offset
    return bytes(out)


def _body(settled: Settled) -> bytes:
    base = settled.base
    form, body = _GAPS, _gaps(base, settled.open)
    size = (settled.top - base) // 8 + 1
    if size < len(body):
        bits = bytearray(size)
        for offset in settled.open:
            bits[(offset - base) >> 3] |= 1 << ((offset - base) & 7)
        form, body = _BITMAP, bytes(bits)
    return bytes([form]) + _varint(len(body)) + body


def _open(reader: "_Reader", base: int, top: int) -> tuple[int, ...]:
    form, size = reader.number(), reader.number()
    end = reader.at + size
    offsets: list[int] = []
    if form == _BITMAP:
        bits = enumerate(reader.take(size))
        offsets = [base + place * 8 + bit for place, byte in bits if byte for bit in range(8) if byte >> bit & 1]
        if size != (top - base) // 8 + 1:
            raise ValueError("a bitmap of another span")
    elif form == _GAPS:
        at = base
        while reader.at < end:
            at += reader.number()
            offsets.append(at)
    if reader.at != end or (offsets and offsets[-1] > top) or len(set(offsets)) != len(offsets):
        raise ValueError("no such form, or offsets beyond the top")
    return tuple(offsets)


def _fan_outs(settled: Settled, room: int) -> bytes:
    """As many as there is room for: a table of ids, then (through, open, offsets) of each group, ids by their place."""
    ids: dict[str, int] = {}
    groups: dict[Walked, list[int]] = {}
    for offset, walked in sorted(settled.walked.items()):
        for form in (walked, walked.cut()):
            cost = _cost(form, offset - settled.base, ids, groups)
            if cost <= room:
                room -= cost
                groups.setdefault(form, []).append(offset)
                for one in _names(form):
                    ids.setdefault(one, len(ids))
                break
    out = bytearray(_varint(len(ids)))
    for one in ids:
        out += _varint(len(one.encode())) + one.encode()
    out += _varint(len(groups))
    for form, offsets in groups.items():
        out += _varint(0 if form.through is None else ids[form.through] + 1)
        out += _varint(len(form.open)) + b"".join(_varint(ids[one]) for one in form.open) + _done(form)
        out += _varint(len(offsets)) + _gaps(settled.base, offsets)
    return bytes(out)


def _cost(form: Walked, distance: int, ids: Mapping[str, int], groups: Mapping[Walked, Sequence[int]]) -> int:
    """Bytes at most that one more record in this state takes; a place in the table takes two, as a count does."""
    cost = len(_varint(distance))
    if form not in groups:
        cost += 2 * (3 + len(form.open)) + len(_done(form))
        cost += sum(2 + len(one.encode()) for one in _names(form) if one not in ids)
    return cost


def _done(form: Walked) -> bytes:
    return b"".join(_varint(one) for one in form.done or (0,) * (len(form.open) + 1))


def _names(form: Walked) -> tuple[str, ...]:
    return form.open if form.through is None else (*form.open, form.through)


def _walked(reader: "_Reader", base: int) -> dict[int, Walked]:
    ids = [reader.take(reader.number()).decode() for _ in range(reader.number())]
    walked: dict[int, Walked] = {}
    for _ in range(reader.number()):
        through = reader.number()
        open_ = tuple(ids[reader.number()] for _ in range(reader.number()))
        done = tuple(reader.number() for _ in range(len(open_) + 1))
        if done != tuple(sorted(done)) or done[-1] > MATCHES:
            raise ValueError("no such counts")
        form, at = Walked(ids[through - 1] if through else None, open_, done if any(done) else ()), base
        for _ in range(reader.number()):
            at += reader.number()
            walked[at] = form
    return walked


class _Reader:
    """Bytes from front to back; raises past their end (IndexError, ValueError)."""

    __slots__ = ("at", "raw")

    def __init__(self, raw: bytes, at: int) -> None:
        self.raw, self.at = raw, at

    def number(self) -> int:
        number = shift = 0
        while True:
            byte = self.raw[self.at]
            self.at += 1
            number |= (byte & 0x7F) << shift
            if byte < 0x80:  # noqa: PLR2004  the last byte of a varint
                return number
            shift += 7

    def take(self, size: int) -> bytes:
        if self.at + size > len(self.raw):
            raise IndexError
        self.at += size
        return self.raw[self.at - size : self.at]
