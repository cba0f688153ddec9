"""Fetch release files and hold them against the SHA-256 that their project publishes.

Nothing unverified leaves this module.

DownloadError  (TransientError) the network does not give us the file or its checksum
WrongChecksum  (PermanentError) what came is not what was published; nobody may put something else in its place
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from clusters.errors import PermanentError, TransientError
from clusters.tools.pins import Asset
from clusters.tools.watch import Watch

CHUNK = 1 << 18
DIGEST = re.compile(r"[0-9a-f]{64}")


class DownloadError(TransientError):
    """The network does not give us the file or its checksum."""


class WrongChecksum(PermanentError):
    """What came is not what was published."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a download is waited for: all times in seconds."""

    reach: float = 5.0  # until a host answers at all, its name included
    stall: float = 20.0  # without a single byte
    attempts: int = 5  # in a row that bring nothing new
    pause: float = 0.5  # before the second attempt, doubled for each one after it


@dataclass(frozen=True, slots=True)
class Source:
    """Where releases come from."""

    # Host -> base URL that stands in for https://host: a company's mirror, or a test's server.
    mirrors: Mapping[str, str] = field(default_factory=dict)
    # For api.github.com only, which gives 60 answers an hour to those who show none.
    github_token: str | None = None
    patience: Patience = Patience()

    def at(self, url: str) -> str:
        """The URL to ask instead of `url`."""
        parts = urlsplit(url)
        mirror = self.mirrors.get(parts.netloc)
        return url if mirror is None else mirror.rstrip("/") + parts.path

    def headers(self, url: str) -> dict[str, str]:
        """What a request for the original `url` carries."""
        if self.github_token and urlsplit(url).netloc == "api.github.com":
            return {"Authorization": f"Bearer {self.github_token}"}
        return {}


def fetch(
    assets: Sequence[Asset], folder: Path, source: Source, watch: Watch
) -> dict[Asset, Path | DownloadError | WrongChecksum]:
    """Download the assets into `folder`, a few at the same time, and tell of each where it lies or why it does not.

    What was broken off is left there as `*.part` and resumed by the next call.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return asyncio.run(_fetch_all(assets, folder, source, watch))


async def reachable(urls: Sequence[str], source: Source) -> dict[str, str | None]:
    """Ask the host of each URL whether it answers: None where it does, or why not."""
    async with _session(source) as session:
        return {url: await _knock(session, _origin(source.at(url)), source.patience) for url in urls}


def _session(source: Source) -> aiohttp.ClientSession:
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=source.patience.reach, sock_read=source.patience.stall)
    # Files come as they are stored, packed ones included. Proxies are taken from the environment.
    agent = {"User-Agent": "seatrial", "Accept-Encoding": "identity"}
    return aiohttp.ClientSession(timeout=timeout, headers=agent, trust_env=True, auto_decompress=False)


def _origin(url: str) -> str:
    return "{0.scheme}://{0.netloc}/".format(urlsplit(url))


async def _knock(session: aiohttp.ClientSession, origin: str, patience: Patience) -> str | None:
    """None where a host answers, whatever it says, or the reason why not."""
    try:
        async with asyncio.timeout(patience.reach), session.head(origin, allow_redirects=False):
            return None
    except (aiohttp.ClientError, TimeoutError) as fault:
        return _reason(fault)


async def _fetch_all(
    assets: Sequence[Asset], folder: Path, source: Source, watch: Watch
) -> dict[Asset, Path | DownloadError | WrongChecksum]:
    async with _session(source) as session:
        download = _Download(session, folder, source, watch)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = {asset: group.create_task(download.outcome(asset)) for asset in assets}
        except ExceptionGroup as several:  # one fault for them all: a full disk, say
            raise several.exceptions[0] from None
        return {asset: task.result() for asset, task in tasks.items()}


class _Download:
    """The downloads of one install: hosts and checksum files are asked once."""

    def __init__(self, session: aiohttp.ClientSession, folder: Path, source: Source, watch: Watch) -> None:
        self._session, self._folder, self._source, self._watch = session, folder, source, watch
        self._slots = asyncio.Semaphore(4)
        self._hosts: dict[str, asyncio.Task[str | None]] = {}
        self._texts: dict[str, asyncio.Task[str]] = {}

    async def outcome(self, asset: Asset) -> Path | DownloadError | WrongChecksum:
        try:
            digest = await self._published(asset)
            await self._reach(asset.url)
            async with self._slots:
                return await self._verified(asset, digest)
        except (DownloadError, WrongChecksum) as fault:
            return fault

    async def _published(self, asset: Asset) -> str:
        """The SHA-256 that upstream states for the asset."""
        url = asset.checksum or asset.digests or ""
        if url not in self._texts:
            self._texts[url] = asyncio.create_task(self._text(url))
        text = await asyncio.shield(self._texts[url])
        digest = _from_record(text, asset.file) if asset.digests else _from_sums(text, asset.file)
        if digest is None:
            raise DownloadError(f"{self._source.at(url)} states no SHA-256 for {asset.file}")
        return digest

    async def _text(self, url: str) -> str:
        await self._reach(url)
        address = self._source.at(url)
        tries = _Tries(address, self._source.patience)
        while True:
            try:
                async with self._session.get(address, headers=self._source.headers(url)) as answer:
                    _demand(answer)
                    return await answer.text(errors="replace")
            except (aiohttp.ClientError, TimeoutError) as fault:
                await tries.again(fault)

    async def _reach(self, url: str) -> None:
        """Raise DownloadError unless the URL's host answers; each host is asked once."""
        origin = _origin(self._source.at(url))
        if origin not in self._hosts:
            self._hosts[origin] = asyncio.create_task(_knock(self._session, origin, self._source.patience))
        fault = await asyncio.shield(self._hosts[origin])
        if fault:
            raise DownloadError(f"{origin} is out of reach ({fault})")

    async def _verified(self, asset: Asset, digest: str) -> Path:
        # Named by its checksum: what was begun of another file is never taken for the beginning of this one.
        part = self._folder / f"{asset.file}-{digest[:16]}.part"
        resumed = part.exists()
        await self._complete(asset, part)
        found = await asyncio.to_thread(_sha256, part)
        if found != digest and resumed:  # the old part may be at fault: once more from nothing
            part.unlink()
            await self._complete(asset, part)
            found = await asyncio.to_thread(_sha256, part)
        if found != digest:
            part.unlink()
            raise WrongChecksum(
                f"{self._source.at(asset.url)} has SHA-256 {found}, but {digest} is published for it: nothing was "
                "installed from it. Try again; if it stays so, something between you and the project changes its files"
            )
        return part

    async def _complete(self, asset: Asset, part: Path) -> None:
        """Bring the whole file into `part`, resuming after what is there already."""
        address = self._source.at(asset.url)
        tries = _Tries(address, self._source.patience)
        self._watch.begin(asset.file, f"Downloading {asset.file}")
        try:
            while True:
                before = _size(part)
                try:
                    await self._pull(asset, address, part)
                    return
                except (aiohttp.ClientError, TimeoutError) as fault:
                    await tries.again(fault, progress=_size(part) > before)
        finally:
            self._watch.end(asset.file, f"{asset.file}: {_size(part) / 1e6:.1f} MB downloaded")

    async def _pull(self, asset: Asset, address: str, part: Path) -> None:
        """One request, which appends to `part`. Returns once the file is complete as far as the server says."""
        have = _size(part)
        wanted = {"Range": f"bytes={have}-"} if have else {}
        async with self._session.get(address, headers=self._source.headers(asset.url) | wanted) as answer:
            if answer.status == 416:  # we have all of it, or more than there is: the checksum tells
                return
            _demand(answer)
            if answer.status != 206:
                have = 0
            total = have + answer.content_length if answer.content_length is not None else None
            with part.open("ab" if have else "wb") as file:
                async for chunk in answer.content.iter_chunked(CHUNK):
                    file.write(chunk)
                    have += len(chunk)
                    share = have / total if total else None
                    self._watch.step(asset.file, f"{have / 1e6:.1f} MB", share)


class _Tries:
    """Counts the attempts that brought nothing, and pauses between them."""

    def __init__(self, address: str, patience: Patience) -> None:
        self._address, self._patience, self._failed = address, patience, 0

    async def again(self, fault: Exception, *, progress: bool = False) -> None:
        """Return when the next attempt is due, or raise DownloadError."""
        self._failed = 0 if progress else self._failed + 1
        final = isinstance(fault, aiohttp.ClientResponseError) and fault.status < 500 and fault.status != 429
        if final or self._failed >= self._patience.attempts:
            raise DownloadError(f"{self._address} cannot be downloaded ({_reason(fault)})") from fault
        await asyncio.sleep(self._patience.pause * 2**self._failed)


def _demand(answer: aiohttp.ClientResponse) -> None:
    """Raise ClientResponseError for an answer that is not the file."""
    if answer.status >= 400:
        raise aiohttp.ClientResponseError(
            answer.request_info, answer.history, status=answer.status, message=answer.reason or ""
        )


def _reason(fault: Exception) -> str:
    if isinstance(fault, aiohttp.ClientResponseError):
        return f"the server answered {fault.status} {fault.message}".strip()
    if isinstance(fault, TimeoutError):
        return "no answer in time"
    if isinstance(fault, aiohttp.ClientConnectorError):
        return fault.os_error.strerror or str(fault.os_error)
    return str(fault) or type(fault).__name__


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _from_sums(text: str, file: str) -> str | None:
    """Find a file's sum: alone in its file, or in lines of `sum  name` (or `*name`, or `folder/name`)."""
    for line in text.splitlines():
        words = line.split()
        if words and DIGEST.fullmatch(words[0].lower()):
            name = words[1].removeprefix("*").rsplit("/", 1)[-1] if len(words) > 1 else file
            if name == file:
                return words[0].lower()
    return None


def _from_record(text: str, file: str) -> str | None:
    """Find a file's sum in GitHub's record of a release: assets[].digest is `sha256:…`."""
    try:
        record = json.loads(text)
    except ValueError:
        return None
    assets = record.get("assets") if isinstance(record, dict) else None
    for asset in assets if isinstance(assets, list) else []:
        if isinstance(asset, dict) and asset.get("name") == file:
            digest = str(asset.get("digest") or "").removeprefix("sha256:").lower()
            return digest if DIGEST.fullmatch(digest) else None
    return None
