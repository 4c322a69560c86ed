"""
Everything that a person may do, for a Principal: the API and the pages are two faces of it, and only here is decided
who may do what. What belongs to another account is not found, whatever it is.

    means          what a desk works with
    subscribing    webhooks: seen, made, changed                   edge
    telling        Delivery History                                edge
    sending        tests, redeliveries, replays                    edge
    burying        dead letters                                    edge
    trying         filters tried out, results as they come         edge
    governing      lanes, completeness, notices, audit, tokens     edge
    whose          whose a subscription is, and edits of theirs    pure
"""

from relay.console.desk.burying import Burying
from relay.console.desk.governing import Governing
from relay.console.desk.means import Means
from relay.console.desk.sending import Sending
from relay.console.desk.subscribing import Subscribing
from relay.console.desk.telling import Telling
from relay.console.desk.trying import Trying

__all__ = ["Desk", "Means"]


class Desk(Subscribing, Telling, Sending, Burying, Trying, Governing):
    """
    All of it.

    Raises:
        Invalid: From every method: what was asked is wrong, by field.
        NotFound: There is nothing of that id, or it is another account's.
        NotAllowed: It takes another scope, or the account's rules do not permit it.
        Conflict: Somebody else was first; `Stale`, where the version that was edited is no longer the newest.
        Unreachable: The broker does not answer.
        Unavailable: The history's database does not answer.
    """
