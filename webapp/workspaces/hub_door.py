"""The Hub's API as a workspace sees it: the few requests that a notebook server makes, each made anew by the relay.

The student's own token decides what is answered. What is not asked by a notebook server (other people's names, tokens,
the proxy's table, signing in) is not passed on at all, whoever's token it carries.
"""

from __future__ import annotations

import asyncio
import re
from typing import Protocol
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web
from yarl import URL

# Method and path, as jupyterhub.services.auth and jupyterhub.singleuser ask.
ALLOWED = (
    ("GET", re.compile(r"/hub/api/?")),
    ("GET", re.compile(r"/hub/api/user")),
    ("POST", re.compile(r"/hub/api/oauth2/token")),
    ("POST", re.compile(r"/hub/api/users/[^/]+(/servers/[^/]*)?/activity")),
)
PASSED = ("Authorization", "Content-Type", "Accept")
RETURNED = ("Content-Type", "X-JupyterHub-Version")
# Of a request's body, in bytes; requests at once for each student; from a request's head to its answer, in seconds.
LARGEST, AT_ONCE, PATIENCE = 256 * 1024, 4, 30.0
# Connections that one student may hold; more are closed at once, so that nobody uses up everybody's.
MOST = 50


class Desk(Protocol):
    """What is asked of a workspace's desk."""

    def owns(self, transport: asyncio.BaseTransport) -> bool:
        """Whether the connection is its student's."""


class _Server(web.Server):
    """One student's connections, which have an end."""

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        """Turn away crowds."""
        super().connection_made(handler, transport)
        if len(self.connections) > MOST:
            transport.abort()


class HubDoor:
    """One for all workspaces."""

    def __init__(self, hub_api: str) -> None:
        """`hub_api` is where the Hub's API answers, with its path."""
        self._origin = "{0.scheme}://{0.netloc}".format(urlsplit(hub_api))
        self._session: aiohttp.ClientSession | None = None
        self._servers: dict[int, web.Server] = {}

    def connection(self, desk: Desk) -> asyncio.BaseProtocol:
        """The protocol of one connection from a workspace."""
        server = self._servers.get(id(desk))
        if server is None:
            server = self._servers[id(desk)] = self._serve(desk)
        return server()

    def _serve(self, desk: Desk) -> web.Server:
        gate = asyncio.Semaphore(AT_ONCE)

        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            if request.transport is None or not desk.owns(request.transport):
                return _told(403, "this door is another student's")
            try:
                # Waiting at the gate is counted too: a body that never comes holds it no longer than that.
                async with asyncio.timeout(PATIENCE), gate:
                    return await self._pass_on(request)
            except TimeoutError:
                return _told(503, f"the request was not answered within {PATIENCE:.0f} s")

        return _Server(answer, access_log=None, keepalive_timeout=15)

    async def close(self) -> None:
        """Close what is open to the Hub."""
        if self._session is not None:
            await self._session.close()

    async def _pass_on(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.rel_url.raw_path
        if not any(request.method == method and allowed.fullmatch(path) for method, allowed in ALLOWED):
            return _told(403, "a workspace may not ask the Hub for this")
        if self._session is None:
            self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        if request.content_length is not None and request.content_length > LARGEST:
            return _told(413, "that is too much for one request")
        body = await _whole(request.content)
        if body is None:
            return _told(413, "that is too much for one request")
        headers = {name: request.headers[name] for name in PASSED if name in request.headers}
        query = request.rel_url.raw_query_string
        url = f"{self._origin}{path}?{query}" if query else f"{self._origin}{path}"
        try:
            async with self._session.request(
                request.method, URL(url, encoded=True), data=body, headers=headers, allow_redirects=False
            ) as answered:
                kept = {name: answered.headers[name] for name in RETURNED if name in answered.headers}
                return web.Response(status=answered.status, body=await answered.read(), headers=kept)
        except aiohttp.ClientError:
            return _told(503, "the Hub does not answer")


async def _whole(content: aiohttp.StreamReader) -> bytes | None:
    """A request's body to its end, in however many pieces it comes; None where it is too large."""
    body = b""
    async for piece in content.iter_any():
        body += piece
        if len(body) > LARGEST:
            return None
    return body


def _told(status: int, sentence: str) -> web.Response:
    return web.json_response({"status": status, "message": sentence}, status=status)
