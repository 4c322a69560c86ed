"""All commands together, and how an error becomes a message and an exit status (DESIGN.md section 12)."""

import os
import sys
from collections.abc import Sequence

from aiokafka.errors import KafkaError
from cyclopts import App, CycloptsError

from relay import __version__
from relay.cli import (
    check,
    console,
    dead_letters,
    deliveries,
    demo,
    erase,
    lanes,
    listen,
    reconcile,
    replay,
    secrets,
    send,
    subscriptions,
    tokens,
    tools,
    topics,
    worker,
)
from relay.cli.common import SECRET, plain, tell
from relay.errors import Invalid, Problem, RelayError
from relay.refusals import lost
from relay.settings import shown

USAGE = 2
INTERRUPTED = 130  # 128 and SIGINT, as shells have it

app = App(
    name="relay",
    version=__version__,
    help="Reads lead events from Kafka and delivers them, signed, to webhooks. Settings: RELAY_* or --config FILE.",
    result_action="return_value",
)
for command in (
    demo.demo,
    worker.worker,
    console.console,
    check.check,
    lanes.lanes,
    erase.erase,
    reconcile.reconcile,
    send.send,
    listen.listen,
    tools.sign,
    tools.verify,
    tools.version,
):
    app.command(command)
for group in (
    *(topics.app, subscriptions.app, deliveries.app, dead_letters.app, replay.app),
    *(secrets.app, tokens.app, tools.filter_app),
):
    app.command(group)


def main(arguments: Sequence[str]) -> int:
    """
    The exit status of one command: 0 ok, 1 failure or conflict, 2 usage or configuration, 3 not found, 4 not allowed,
    5 broker unreachable. Never raises for what a person or a broker did.
    """
    try:
        _in_utf8(arguments)
        status = app(arguments, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        tell(f"relay: {error}\n`relay {' '.join(error.command_chain or ())} --help` says more".replace("  ", " "))
        return USAGE
    except RelayError as error:
        # What a person wrote stays on its own line, whatever it holds.
        lines = map(str, error.problems) if isinstance(error, Invalid) else str(error).split("\n")
        tell("\n".join(f"relay: {plain(line)}" for line in lines))
        return error.exit_code
    except KafkaError as error:
        told = lost(error, "the brokers")
        tell(f"relay: {told}")
        return told.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # whoever read our answer has seen enough of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return status if isinstance(status, int) else 0


def _in_utf8(arguments: Sequence[str]) -> None:
    """
    Python passes on the bytes that are no UTF-8, and nothing behind this could write them.

    Raises:
        Invalid: Each argument that holds such bytes, by its option or its place.
    """
    problems: list[Problem] = []
    option = ""
    for place, argument in enumerate(arguments, 1):
        name, equals, _ = argument.partition("=")
        try:
            argument.encode()
        except UnicodeEncodeError:
            where = name if equals and name.startswith("-") else option
            given = "" if SECRET.match(where.lstrip("-")) else shown(argument)
            problems.append(Problem(shown(where) or f"argument {place}", "must be UTF-8", given))
        option = argument if argument.startswith("-") and not equals else ""
    if problems:
        raise Invalid(*problems)
