"""
One target under libFuzzer, in a process of its own: libFuzzer ends the process when it is done.

    python -m tests.fuzz.one TARGET [what libFuzzer takes]
"""

import sys

import atheris

# Only relay's own code says what is new: that of the libraries would drown it, and theirs in C is not seen anyway.
with atheris.instrument_imports(include=["relay"]):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    """Never returns."""
    target = TARGETS[sys.argv[1]]
    atheris.Setup([sys.argv[0], *sys.argv[2:]], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
