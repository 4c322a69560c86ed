"""
What tells one form of a subscription from the next (RFC 9110, section 8.8.3). Pure.

The version alone would not do: one that was deleted and made anew begins at 1 again.
"""

import re
from zlib import crc32

from relay.model import Subscription

MOST = 20  # tags of one If-Match: a client has one
_TAGS = re.compile(r'\s*(W/)?("[\x21\x23-\x7e\x80-\xff]*")\s*')


def etag(one: Subscription) -> str:
    """
    Strong, with its quotes: version and incarnation.

    >>> from relay.model import SubscriptionId
    >>> etag(Subscription(id=SubscriptionId("a"), account_id="b", name="", url="", events=(), version=3))
    '"3-00000000"'
    """
    return f'"{one.version}-{crc32(one.created_at.encode("utf-8", "surrogatepass")):08x}"'


def matches(if_match: str, tag: str) -> bool:
    """
    Whether what the client has seen is this one: any of its strong tags, or `*`. Never raises.

    >>> matches('"1", "2"', '"2"'), matches("*", '"2"'), matches('W/"2"', '"2"'), matches("2", '"2"')
    (True, True, False, False)
    """
    if if_match.strip() == "*":
        return True
    found = (_TAGS.fullmatch(one) for one in if_match.split(",")[:MOST])
    return any(one is not None and one[1] is None and one[2] == tag for one in found)
