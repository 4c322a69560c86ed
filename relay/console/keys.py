"""Where an application keeps what its handlers need."""

from aiohttp import web

from relay.console.desk import Desk

DESK = web.AppKey("desk", Desk)
PRINCIPAL = "principal"  # of a request: who asks, or None
