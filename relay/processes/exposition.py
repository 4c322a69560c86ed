"""
The figures of several processes as one page, in Prometheus' text format. Pure.

Text in, text out: what the processes write is our own library's, a family at a time, so a line needs no parsing beyond
its name; parsing some thousand samples at every scrape would cost a hundred times as much.
"""

from collections.abc import Iterator, Mapping

LABEL = "process"


def merged(pages: Mapping[int, str]) -> str:
    """
    One page: each family once, its help and type as the first page has them, each sample under its process's number.

    Args:
        pages: What each process wrote, by its number.
    """
    comments: dict[str, dict[str, str]] = {}  # of a family: HELP and TYPE
    samples: dict[str, list[str]] = {}
    for number, page in pages.items():
        for family, line in _by_family(page):
            if line.startswith("#"):
                comments.setdefault(family, {}).setdefault(line.split(" ", 2)[1], line)
            else:
                samples.setdefault(family, []).append(labelled(line, number))
    lines = [line for family in comments for line in (*comments[family].values(), *samples.get(family, ()))]
    return "".join(f"{line}\n" for line in lines)


def labelled(sample: str, number: int) -> str:
    """
    A sample with its process's number before its other labels.

    >>> labelled('relay_open_records{topic="t"} 1.0', 2), labelled("relay_in_flight 0.0", 1)
    ('relay_open_records{process="2",topic="t"} 1.0', 'relay_in_flight{process="1"} 0.0')
    """
    name, space, value = sample.partition(" ")
    name, brace, labels = name.partition("{")
    label = f'{LABEL}="{number}"'
    if not brace:
        return f"{name}{{{label}}}{space}{value}"
    return f"{name}{{{label},{labels}{space}{value}"


def _by_family(page: str) -> Iterator[tuple[str, str]]:
    """Each line with the name in the comment above it. Not `splitlines`: labels may hold what that breaks at."""
    family = ""
    for line in page.split("\n"):
        if line.startswith("# "):
            family = line.split(" ", 3)[2]
        if line:
            yield family, line
