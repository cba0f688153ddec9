"""A proxy, a Hub and a relay of a data folder: what a workspace needs around it."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import pytest

from clusters.errors import ClusterError
from clusters.tools import cache, node
from tests.webapp.workspaces.conftest import REPOSITORY, until
from webapp.errors import PortalError
from webapp.settings import Settings, from_environment
from webapp.workspaces import homes, keeping, places, processes
from webapp.workspaces.hub import HubApi


class Platform:
    """Proxy, Hub and relay of a data folder."""

    def __init__(self, settings: Settings, proxy: list[str], path: str, spawner: str) -> None:
        self.settings, self._proxy, self._path, self._spawner = settings, proxy, path, spawner
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.api = HubApi(settings)

    def start(self, name: str) -> None:
        run = self.settings.run
        run.mkdir(mode=0o700, exist_ok=True)
        command = {
            "proxy": [
                *self._proxy,
                "--ip",
                "127.0.0.1",
                "--port",
                str(self.settings.port),
                "--api-socket",
                "proxy.sock",
            ],
            "hub": [sys.executable, "-m", "jupyterhub", "-f", str(Path(__file__).with_name("hub_config.py"))],
            "relay": [sys.executable, "-m", "webapp.workspaces.relay"],
        }[name]
        (run / f"{name}.sock").unlink(missing_ok=True)
        environment = {
            "PATH": self._path, "HOME": os.environ["HOME"], "SEATRIAL_DATA": str(self.settings.data),
            "SEATRIAL_PORT": str(self.settings.port), "CONFIGPROXY_AUTH_TOKEN": self.settings.key("proxy"),
            "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY}/cluster-setup", "A_SECRET_OF_THE_PLATFORM": "hidden",
            "SPAWNER": self._spawner,
        }  # fmt: skip
        with (self.settings.data / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(command, cwd=run, env=environment, stdout=log, stderr=log)

    def hub_is_up(self) -> bool:
        try:
            self.api.server_ready("nobody")
        except PortalError:
            return False
        return True

    def kill(self, name: str) -> None:
        self.running[name].send_signal(signal.SIGKILL)
        self.running.pop(name).wait()

    def close(self) -> None:
        for place in places.every(self.settings.workspaces):
            left = processes.recorded(places.read_json(place.state))
            if left is not None:
                left.signal(signal.SIGKILL)
        for name in list(self.running):
            self.kill(name)
        for place in places.every(self.settings.workspaces):
            homes.unmount(place)


@contextmanager
def a_platform(data: Path, *users: str, path: str | None = None, spawner: str = keeping.SANDBOX) -> Iterator[Platform]:
    """One that runs, whose Hub knows these users. Skips where there is no proxy; fails where `portal` is required."""
    try:
        proxy = node.command(cache.folder())
    except ClusterError as missing:
        if "portal" in os.environ.get("SEATRIAL_REQUIRE", "").split(","):
            pytest.fail(str(missing))
        pytest.skip(str(missing))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = from_environment({"SEATRIAL_DATA": str(data), "SEATRIAL_PORT": str(port)})
    made = Platform(settings, proxy, path or os.environ["PATH"], spawner)
    try:
        for name in ("proxy", "relay", "hub"):
            made.start(name)
        until(made.hub_is_up, "the Hub answers")
        for user in users:
            made.api._ask("POST", f"users/{user}")
        yield made
    finally:
        made.close()


def type_into(platform: Platform, name: str, words: str) -> str:
    """Type a line into ada's terminal, as a browser does. What was said until it was done."""
    # A terminal first says again what stood on it, the end of an earlier line among that.
    done = secrets.token_hex(4)

    async def typing() -> str:
        headers = {"Authorization": f"token {platform.api._token('ada')}"}
        url = f"{platform.settings.address}/user/ada/terminals/websocket/{name}"
        async with aiohttp.ClientSession(headers=headers) as session, session.ws_connect(url) as terminal:
            await terminal.send_json(["stdin", f"{words}; echo 'done'-{done}\r"])
            said = ""
            while f"done-{done}" not in said:
                message = await terminal.receive(60)
                told = json.loads(message.data)
                said += told[1] if told[0] == "stdout" else ""
            return said

    return asyncio.run(typing())


def press(platform: Platform, name: str, keys: str, awaited: str) -> str:
    """Press keys in ada's terminal once its prompt is there. What was said until `awaited` was."""

    async def pressing() -> str:
        headers = {"Authorization": f"token {platform.api._token('ada')}"}
        url = f"{platform.settings.address}/user/ada/terminals/websocket/{name}"
        async with aiohttp.ClientSession(headers=headers) as session, session.ws_connect(url) as terminal:
            said = ""
            for typed, sign in (("", "$ "), (keys, awaited)):
                if typed:
                    await terminal.send_json(["stdin", typed])
                said = ""
                while sign not in said:
                    kind, *told = json.loads((await terminal.receive(60)).data)
                    said += told[0].replace("\a", "") if kind == "stdout" else ""
            return said

    return asyncio.run(pressing())
