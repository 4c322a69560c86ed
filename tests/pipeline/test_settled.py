import time
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import replace
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from relay.pipeline.settled import (
    CHARACTERS,
    NONCE_BYTES,
    SPAN,
    VERSION,
    Print,
    Settled,
    Walked,
    decode,
    encode,
    fits,
    print_of,
)
from tests.builders import Fetched

NONCE = bytes(range(NONCE_BYTES))
BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
VERSION_AT, TOP_AT = 0, 9
IDS = [f"sub_{letter}" for letter in "abcdefgh"]
A_PRINT = Print(1_559_908_800_000, 700, 0xCBF43926)


def a_map(*open_: int, base: int = 0, top: int, walked: dict[int, Walked] | None = None) -> Settled:
    return Settled(base=base, top=top, print=A_PRINT, open=open_, walked=walked or {})


def sealed(raw: bytes | bytearray) -> str:
    """As metadata, with the checksum that it ought to have."""
    return b64encode(raw + zlib.crc32(raw).to_bytes(4, "big")).decode()


def opened(text: str) -> bytes:
    """The bytes below the checksum."""
    return b64decode(text)[:-4]


def varint(number: int) -> bytes:
    """LEB128, as its definition has it."""
    groups = [number >> shift & 0x7F for shift in range(0, max(1, number.bit_length()), 7)]
    return bytes([*(group | 0x80 for group in groups[:-1]), groups[-1]])


def says_no_more(told: Settled, known: Settled, ids: Iterable[str]) -> bool:
    """Whether all that `told` has as settled is settled by `known`."""
    assert (told.base, told.top, told.print, told.open) == (known.base, known.top, known.print, known.open)
    ids = set(ids)
    return all(
        offset in known.walked and known.walked[offset].covers(one)
        for offset, walked in told.walked.items()
        for one in ids
        if walked.covers(one)
    )


@st.composite
def walks(draw: st.DrawFn, ids: st.SearchStrategy[str]) -> Walked:
    met = sorted(draw(st.sets(ids, max_size=12)))
    open_ = tuple(one for one in met if draw(st.booleans()))
    done = tuple(sorted(draw(st.lists(st.integers(0, 300), min_size=len(open_) + 1, max_size=len(open_) + 1))))
    return Walked(draw(st.sampled_from([None, met[-1] if met else ""])), open_, done if done[-1] else ())


some_ids = st.sampled_from(IDS)
any_ids = some_ids | st.text(st.characters(codec="utf-8"), max_size=40)
prints = st.builds(Print, st.integers(-1, 2**62), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
gaps = st.integers(1, 3) | st.integers(1, 200) | st.integers(1, 2**40)


@st.composite
def maps(draw: st.DrawFn, ids: st.SearchStrategy[str] = any_ids, *, most: int = 60) -> Settled:
    """As a ledger has them: base is open, of any open one it may be known how far it got."""
    base = draw(st.integers(0, 50) | st.integers(0, 2**62))
    open_ = [base]
    for gap in draw(st.lists(gaps, max_size=most)):
        open_.append(open_[-1] + gap)
    walked = draw(st.dictionaries(st.sampled_from(open_), walks(ids), max_size=10))
    top = open_[-1] + draw(st.integers(0, 300))
    return Settled(base=base, top=top, print=draw(prints), open=tuple(open_), walked=walked)


# what is written is what is read


@given(maps())
def test_a_map_that_is_written_and_read(known: Settled) -> None:
    """It is the same: offsets, fingerprint, and how far fan-outs got."""
    assert known == decode(encode(known, NONCE), known.base)


@given(maps(), st.integers(0, 900))
def test_a_map_with_less_room(known: Settled, characters: int) -> None:
    """It has all open offsets or is none; of fan-outs it may say less, never more; and it keeps within its room."""
    text = encode(known, NONCE, characters)

    assert len(text) <= characters
    told = decode(text, known.base)
    assert (text == "") == (told is None)
    if told is not None:
        ids = {one for walked in known.walked.values() for one in (*walked.open, walked.through or "")}
        assert says_no_more(told, known, [*ids, *(one + "\0" for one in ids), "", "sub_zz", "\U0010ffff"])


@given(st.integers(0, 2**32), st.sampled_from([0.001, 0.05, 0.5, 0.95, 1.0]), st.integers(0, 400))
@settings(max_examples=25)
@example(seed=1, density=1.0, ids=0)
@example(seed=1, density=0.5, ids=400)
def test_20000_offsets(seed: int, density: float, ids: int) -> None:
    """They fit whatever is open among them, in 3,900 characters, with as many fan-outs as there is room for."""
    dice = Random(seed)
    open_ = tuple(offset for offset in range(7, 7 + SPAN) if offset == 7 or dice.random() < density)
    names = sorted(f"sub_{dice.getrandbits(128):032x}" for _ in range(ids))
    walked = {offset: _a_walk(dice, names) for offset in open_[: dice.randrange(3_000)]} if names else {}
    known = a_map(*open_, base=7, top=6 + SPAN, walked=walked)

    text = encode(known, NONCE)

    assert 0 < len(text) <= CHARACTERS
    told = decode(text, 7)
    assert told is not None
    assert says_no_more(told, known, dice.sample(names, min(len(names), 20)))
    assert bool(walked) == bool(told.walked)


def _a_walk(dice: Random, names: list[str]) -> Walked:
    met = dice.randrange(len(names))
    open_ = sorted(dice.sample(names[: met + 1], dice.randrange(min(3, met + 1) + 1)))
    return Walked(names[met], tuple(open_))


def test_fan_outs_beyond_the_room() -> None:
    """The lowest offsets keep theirs; a state that many share is written once."""
    long = {offset: Walked(f"sub_{offset:04}", (f"a_{offset:04}",)) for offset in range(300)}
    shared = {offset: Walked("sub_a", ("sub_3",)) for offset in range(300, 600)}

    told = decode(encode(a_map(*range(600), top=600, walked=long), NONCE), 0)
    told_shared = decode(encode(a_map(*range(600), top=600, walked=shared), NONCE), 0)

    assert told is not None
    assert told_shared is not None
    assert 90 < len(told.walked) < 300
    assert list(range(90)) == sorted(told.walked)[:90]
    assert shared == told_shared.walked


def test_a_fan_out_with_more_open_than_there_is_room_for() -> None:
    """It is known up to its first open one: less, and small."""
    open_ = tuple(f"sub_{number:032}" for number in range(1, 1_000))

    told = decode(encode(a_map(3, base=3, top=9, walked={3: Walked(None, open_, (5,) * 1_000)}), NONCE), 3)

    assert told is not None
    assert {3: Walked(open_[0], open_[:1], (5, 5))} == told.walked
    assert told.walked[3].covers("sub_")
    assert not told.walked[3].covers(open_[0])


@pytest.mark.parametrize(
    ("walked", "covered"),
    [
        (Walked(None), ["a", "b", "c", "d"]),
        (Walked(None, ("b",)), ["a", "c", "d"]),
        (Walked("b"), ["a", "b"]),
        (Walked("c", ("a", "c")), ["b"]),
        (Walked(""), []),
    ],
)
def test_what_a_walk_covers(walked: Walked, covered: list[str]) -> None:
    """All up to where it got but the open ones; cut, it covers no other."""
    assert covered == [one for one in "abcd" if walked.covers(one)]
    assert {one for one in "abcd" if walked.cut().covers(one)} <= set(covered)


@given(maps())
def test_the_same_map_written_twice(known: Settled) -> None:
    """Each commit's metadata is its own, by its nonce."""
    assert encode(known, bytes(8)) != encode(known, NONCE)


def test_the_layout() -> None:
    """Byte for byte as the module says it; a change of it is a new version."""
    known = a_map(5, 9, base=5, top=300, walked={9: Walked("b", ("a",), (2, 300))})
    head = bytes([2]) + (5).to_bytes(8, "big") + (300).to_bytes(8, "big")
    of = (1_559_908_800_000).to_bytes(8, "big") + (700).to_bytes(4, "big") + (0xCBF43926).to_bytes(4, "big")

    body = bytes([1, 2, 0, 4])  # gaps, two bytes
    fan_outs = bytes([2, 1]) + b"a" + bytes([1]) + b"b" + bytes([1, 2, 1, 0, 2, 0xAC, 2, 1, 4])

    assert sealed(head + of + NONCE + body + fan_outs) == encode(known, NONCE)


# what fits


def worst(open_: int, span: int) -> Settled:
    """So many open offsets with as many wide gaps as the span has room for: no other takes more bytes as gaps."""
    apart = [0, *[1] * (open_ - 1)]  # the base, and as close together as can be
    left = span - sum(apart)
    for bits in range(7, 63, 7):
        for place in range(1, open_):
            cost = (1 << bits) - apart[place]
            if cost > left:
                break
            apart[place], left = 1 << bits, left - cost
    at, offsets = 0, []
    for gap in apart:
        at += gap
        offsets.append(at)
    return a_map(*offsets, top=span)


@given(st.integers(1, 2**55) | st.integers(SPAN - 9, 10 * SPAN) | st.integers(1, 3_000).map(lambda n: n << 7))
@settings(max_examples=40)
@example(SPAN)
@example(SPAN + 1)
@example(2**49 * 359)
def test_the_most_that_is_sure_to_fit(span: int) -> None:
    """It does, in the worst case too; and the bound is no more than a tenth too careful, where only gaps can."""
    low, high = 1, min(span + 1, 30_000)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle, span) else (low, middle - 1)

    assert encode(worst(low, span), NONCE) != ""
    if span > 8 * CHARACTERS:  # as a bitmap none fits any more
        assert encode(worst(low * 11 // 10 + 10, span), NONCE) == ""


@given(st.integers(1, 3_500), st.integers(0, 2**56), st.integers(0, 2**32))
def test_what_is_said_to_fit(open_: int, span: int, seed: int) -> None:
    """It does, wherever in the span the open offsets stand."""
    dice = Random(seed)
    among = {0, *(dice.randrange(span + 1) for _ in range(open_ - 1))}

    if fits(open_, span):
        assert encode(a_map(*sorted(among), top=span), NONCE) != ""


def test_a_wide_span_with_few_open() -> None:
    """15 seconds at 3,000 events a second behind one head, and far more than that."""
    assert fits(1_400, 45_000)
    assert fits(700, 10_000_000)
    assert not fits(SPAN, 2 * SPAN)


# doubt


@given(maps(some_ids, most=8), st.integers(0), st.sampled_from(BASE64 + "-_ \n\0é"))
def test_a_character_that_was_changed(known: Settled, place: int, to: str) -> None:
    """No map; or the same one, where base64 has bits that it does not use."""
    text = encode(known, NONCE)
    place %= len(text)

    assert decode(text[:place] + to + text[place + 1 :], known.base) in (None, known)


SMALL = [
    a_map(5, 9, base=5, top=300, walked={9: Walked("sub_b", ("sub_a",))}),
    a_map(*range(0, 100, 2), top=100, walked={2: Walked(None, ("sub_b",))}),
    a_map(0, top=0, walked={0: Walked("")}),
]


@pytest.mark.parametrize("known", SMALL, ids=["gaps", "a bitmap", "one record"])
def test_every_character_of_a_map_changed_to_every_other(known: Settled) -> None:
    """Not one change makes a map that says something else; nearly all make none."""
    text = encode(known, NONCE)
    changed = [
        text[:place] + to + text[place + 1 :] for place in range(len(text)) for to in BASE64 if to != text[place]
    ]

    told = [decode(one, known.base) for one in changed]

    assert all(one in (None, known) for one in told)
    assert sum(one is not None for one in told) <= 15  # four bits at most that base64 does not use


@pytest.mark.parametrize("known", SMALL, ids=["gaps", "a bitmap", "one record"])
def test_every_bit_of_a_map_flipped(known: Settled) -> None:
    """No map, whichever it is."""
    raw = b64decode(encode(known, NONCE))
    flipped = [
        raw[: bit // 8] + bytes([raw[bit // 8] ^ 1 << bit % 8]) + raw[bit // 8 + 1 :] for bit in range(8 * len(raw))
    ]

    assert [None] * len(flipped) == [decode(b64encode(one).decode(), known.base) for one in flipped]


@given(maps(some_ids), st.data())
def test_a_map_that_was_cut(known: Settled, data: st.DataObject) -> None:
    """No map, wherever it was cut, and none either with more behind it."""
    text = encode(known, NONCE)
    place = data.draw(st.integers(0, len(text.rstrip("=")) - 1))

    assert decode(text[:place], known.base) is None
    assert decode(text[place:], known.base) in (None, known)
    assert decode(text + text, known.base) is None
    assert decode(text + "AAAA", known.base) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "=",
        "====",
        "A",
        "AAAA",
        "A" * 4_096,
        "é",
        "\ud800",
        "\0",
        "offset 17",
        '{"version":1}',
        "AQ==\n",
        "////" * 1_000,
    ],
)
def test_metadata_of_somebody_else(text: str) -> None:
    """No map."""
    assert decode(text, 0) is None


@given(
    st.text(max_size=200) | st.binary(max_size=3_000).map(lambda raw: b64encode(raw).decode()), st.integers(0, 2**63)
)
def test_any_text(text: str, base: int) -> None:
    """No map."""
    assert decode(text, base) is None


@given(
    st.binary(max_size=80)
    | st.lists(st.integers(0, 3) | st.integers(0, 2**70), max_size=30).map(
        lambda numbers: b"".join(map(varint, numbers))
    ),
    st.integers(0, 5) | st.integers(0, 2**63),
    st.integers(0, 200) | st.integers(0, 2**62),
)
def test_any_bytes_with_a_checksum_that_is_right(body: bytes, base: int, span: int) -> None:
    """No map, or one whose offsets are in order between its base and its top."""
    raw = bytes([VERSION]) + base.to_bytes(8, "big") + (base + span).to_bytes(8, "big") + bytes(24) + body

    told = decode(sealed(raw), base)

    if told is not None:
        assert sorted(set(told.open)) == list(told.open)
        assert all(base <= offset <= base + span for offset in told.open)
        assert told.walked.keys() <= set(told.open)


HEAD = bytes([VERSION]) + bytes(8) + (7).to_bytes(8, "big") + bytes(24)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"\1\1\0\0\0", (0,)),
        (b"\0\1\x81\0\0", (0, 7)),
        (b"\1\0\0\0", ()),
        (b"\2\1\0\0\0", None),  # no such form
        (b"\0\2\1\0\0\0", None),  # a bitmap of another span
        (b"\0\0\0\0", None),
        (b"\1\2\0\0\0\0", None),  # an offset twice
        (b"\1\1\x08\0\0", None),  # beyond the top
        (b"\1\2\0\0\0", None),  # longer than it is
        (b"\1\1\x80\1\0\0", None),  # a number that goes on behind its end
        (b"\1\1\0\0\0\0", None),  # something follows
        (b"\1\1\0\0", None),  # something is missing
        (b"\1\1\0\1\1a\1\1\0\1\0", (0,)),
        (b"\1\1\0\1\1a\1\2\0\1\0", None),  # a name that is not in the table
        (b"\1\1\0\1\1\xff\0", None),  # a name that is not UTF-8
        (b"\1\1\0\1\1a\1\1\0\1\1", None),  # the fan-out of a settled record
    ],
)
def test_a_body_with_a_checksum_that_is_right(body: bytes, expected: tuple[int, ...] | None) -> None:
    """A map only if all of it fits together: 0..7, what is open, how far fan-outs got."""
    told = decode(sealed(HEAD + body), 0)

    assert expected == (None if told is None else told.open)


@pytest.mark.parametrize("version", [0, 1, 3, 255])
def test_a_map_of_another_version(version: int) -> None:
    """No map: what its bytes mean is not known here."""
    raw = bytearray(opened(encode(SMALL[0], NONCE)))
    assert decode(sealed(raw), 5) == SMALL[0]
    raw[VERSION_AT] = version

    assert decode(sealed(raw), 5) is None


@given(maps(some_ids), st.integers(0, 2**63) | st.integers(-2, 2))
def test_a_map_with_another_offset(known: Settled, other: int) -> None:
    """No map: somebody set the offset by hand and left the metadata, or put it there."""
    base = other if other > 2 else known.base + other

    assert (known if base == known.base else None) == decode(encode(known, NONCE), base)


@pytest.mark.parametrize("top", [0, 4])
def test_a_map_that_ends_below_its_beginning(top: int) -> None:
    """No map."""
    raw = bytearray(opened(encode(a_map(5, base=5, top=9), NONCE)))
    raw[TOP_AT : TOP_AT + 8] = top.to_bytes(8, "big")

    assert decode(sealed(raw), 5) is None


MANY = varint(2**20_000)


@pytest.mark.parametrize(
    "text",
    [
        sealed(HEAD + b"\xff" * 2_800),
        sealed(HEAD + b"\1" + MANY + b"\0" * 2_800),
        sealed(HEAD + b"\1\1\0" + MANY),
        sealed(HEAD + b"\1\1\0\1\0" + MANY),
        sealed(HEAD + b"\1\1\0\1\0\1\0\0" + MANY + b"\0"),
        sealed(HEAD + b"\1\1\0\1\0\1\0\0\0" + MANY + b"\0"),
        sealed(HEAD + b"\1\1\0\1\0\1\0" + MANY + b"\0" * 2_800),
        "/" * 4_000_000,
        sealed(HEAD + b"\xff" * 1_000_000),
    ],
    ids=[
        "no number ends",
        "open",
        "names",
        "groups",
        "matches of a group",
        "offsets of a group",
        "open of a group",
        "4 MB",
        "no number ends in 1 MB",
    ],
)
def test_counts_that_are_far_too_high(text: str) -> None:
    """No map, and no time spent on it: a rebalance waits."""
    began = time.perf_counter()

    assert decode(text, 0) is None
    assert time.perf_counter() - began < 1


# the fingerprint


@given(st.none() | st.binary(max_size=50), st.integers(-1, 2**62))
def test_the_fingerprint_of_a_record(value: bytes | None, timestamp: int) -> None:
    """When it was written, and its bytes; whatever record stands there after the log was made anew has another."""
    record = Fetched(value=value, timestamp=timestamp)

    assert print_of(record) == Print(timestamp, len(value or b""), zlib.crc32(value or b""))
    assert print_of(record) != print_of(replace(record, timestamp=timestamp + 1))
    assert print_of(record) != print_of(replace(record, value=(value or b"") + b"\0"))
