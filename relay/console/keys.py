"""Where an application and its requests keep what handlers need."""

import asyncio

from aiohttp import web

from relay.access.guard import PRINCIPAL, Guard
from relay.console.desk import Desk

__all__ = ["DESK", "GUARD", "PRINCIPAL", "STOPPING"]

DESK = web.AppKey("desk", Desk)
GUARD = web.AppKey("guard", Guard)  # for a login page, and for what goes on for long
STOPPING = web.AppKey("stopping", asyncio.Event)  # set when streams are to end
