"""`relay` and `python -m relay`."""

import sys

from relay.cli.app import main as command


def main() -> None:
    sys.exit(command(sys.argv[1:]))


if __name__ == "__main__":
    main()
