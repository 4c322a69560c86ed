"""Where an application and its requests keep what handlers need."""

import asyncio

from aiohttp import web

from relay.console.desk import Desk

DESK = web.AppKey("desk", Desk)
STOPPING = web.AppKey("stopping", asyncio.Event)  # set when streams are to end
PRINCIPAL = "principal"  # of a request: who asks, or None
STILL = "still"  # of a request: whether they still may, for those that last
