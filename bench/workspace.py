"""The memory of one student's workspace: all processes of a sandbox that runs behind a real Hub, as the kernel counts.

Proportional (PSS): what processes share is counted in parts, so that the figures of many workspaces add up.
"""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import aiohttp
import httpx
from kills import PASSWORD, Student
from measure import Row
from portal import running

from webapp.accounts import services as accounts
from webapp.database import Database
from webapp.settings import Settings
from webapp.workspaces import places, processes
from webapp.workspaces.hub import HubApi

NAME = "sailor"
MOST = 220  # MiB, with one terminal
# It is still growing until it has been the same for this long, within this much; in seconds and bytes.
STILL, WITHIN = 10.0, 1024**2
PATIENCE = 120.0


class Workspace:
    """One student's, on a portal that runs."""

    def __init__(self, settings: Settings) -> None:
        """Start it, as the portal does when a lab is started."""
        self._settings, self._hub = settings, HubApi(settings)
        database = Database(settings.database_url)
        with database.transaction() as db:
            self._user = accounts.add_user(db, NAME, PASSWORD)
        database.close()
        Student(settings, self._user, []).sign_in()
        self._hub.ensure_server(NAME)
        process = processes.recorded(places.read_json(places.of(settings.workspaces, self._user.id).state))
        if process is None:
            raise ProcessLookupError("the workspace has no process")
        self._process = process

    def memory(self) -> float:
        """Of all its processes, in MiB, once it grows no more."""
        size, since = self._bytes(), time.monotonic()
        while time.monotonic() - since < STILL:
            time.sleep(0.5)
            now = self._bytes()
            if abs(now - size) > WITHIN:
                size, since = now, time.monotonic()
        return size / 2**20

    def parts(self) -> dict[str, float]:
        """What each process takes, in MiB, by what it runs."""
        found: dict[str, float] = {}
        for pid in processes.below(self._process.pid, processes.table()):
            words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
            relay = any(Path(word).name == "relay.py" for word in words)  # its words end with the server's
            name = "relay" if relay else words[words.index("-m") + 1] if "-m" in words else Path(words[0]).name
            found[name] = found.get(name, 0.0) + processes.proportional(pid) / 2**20
        return found

    def open_lab(self) -> None:
        """What a browser asks for when JupyterLab is opened in it."""
        for path in ("lab", "lab/api/settings", "api/kernelspecs", "api/contents/", "api/sessions"):
            self._ask("GET", path)

    def open_terminal(self) -> None:
        """A shell at its prompt, in which kubectl's completion was read."""
        name = self._ask("POST", "api/terminals")["name"]
        asyncio.run(self._talk(f"terminals/websocket/{name}", _shell))

    def open_notebook(self) -> None:
        """A kernel that has run a cell."""
        session = {"path": "x.ipynb", "name": "x.ipynb", "type": "notebook", "kernel": {"name": "python3"}}
        kernel = self._ask("POST", "api/sessions", session)["kernel"]["id"]
        asyncio.run(self._talk(f"api/kernels/{kernel}/channels", _cell))

    def _bytes(self) -> int:
        return sum(processes.proportional(pid) for pid in processes.below(self._process.pid, processes.table()))

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        answer = self._hub.at_server(NAME, method, path, body)
        if answer.status not in (200, 201):
            raise httpx.HTTPError(f"{method} {path}: {answer.status}")
        return answer.body

    async def _talk(self, path: str, work: Any) -> None:
        headers = {"Authorization": f"token {self._hub._token(NAME)}"}
        url = f"{self._settings.address}/user/{NAME}/{path}"
        async with aiohttp.ClientSession(headers=headers) as session, session.ws_connect(url) as channel:
            await asyncio.wait_for(work(channel), PATIENCE)


async def _shell(channel: aiohttp.ClientWebSocketResponse) -> None:
    # Each once the prompt is there: what comes before it finds no line to be edited.
    for typed, awaited in (("", "$ "), ("kubectl conf\t", "config "), (" view > /dev/null; echo 'd''one'\r", "done")):
        if typed:
            await channel.send_json(["stdin", typed])
        said = ""
        while awaited not in said:
            kind, *told = json.loads((await channel.receive()).data)
            said += told[0] if kind == "stdout" else ""


async def _cell(channel: aiohttp.ClientWebSocketResponse) -> None:
    header = {"msg_id": "1", "msg_type": "execute_request", "username": "", "session": "1", "version": "5.3"}
    content = {"code": "1 + 1", "silent": False, "store_history": False, "allow_stdin": False}
    message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
    await channel.send_json(message)
    while True:
        received = await channel.receive()
        if received.type is aiohttp.WSMsgType.TEXT and json.loads(received.data)["msg_type"] == "execute_reply":
            return


def workspace(scratch: Path) -> list[Row]:
    """With JupyterLab open in it, with a terminal, and with a notebook besides."""
    with running(scratch, SEATRIAL_POOL="0", SEATRIAL_CLUSTERS="1") as settings:
        return _rows(Workspace(settings))


def _rows(held: Workspace) -> list[Row]:
    rows = []
    for what, work, most in (
        ("with JupyterLab open", held.open_lab, None),
        ("with a terminal", held.open_terminal, MOST),
        ("with a terminal and a notebook", held.open_notebook, None),
    ):
        work()
        size = held.memory()
        parts = ", ".join(f"{name} {part:.0f}" for name, part in sorted(held.parts().items(), key=lambda one: -one[1]))
        asked = "stated" if most is None else f"≤ {most} MiB"
        met = None if most is None else size <= most
        rows.append(Row(f"memory of a workspace, {what}", f"{size:.0f} MiB ({parts})", "", "", asked, met))
    return rows
