"""Lists of a cluster that keep themselves up to date: one LIST and then a watch for each, all in one thread.

Whoever owns them calls `turn` again and again: it waits for news, takes them in, and mends what broke. A watch that
ends goes on where it was; one whose place is forgotten (410) lists again; a server that does not answer is left alone
for a while, and `trouble` says so in a sentence.
"""

from __future__ import annotations

import http.client
import os
import random
import selectors
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from urllib.parse import urlencode

import orjson

from grader.collect.access import Access, ApiFault, NoAnswer, Resource, connect
from grader.collect.lists import listed, path_of, resource_of
from grader.model import ClusterUnreachable, Object, ObjectList, Want
from webapp.live.answers import Answer, Garbled

# How long the server keeps a watch open, in seconds, more or less, so that not all end at once; and after how long a
# silence on all of them it is taken for dead: bookmarks come every minute.
LASTS, SILENCE = 240.0, 150.0
# Pauses before a server that does not answer is asked again: the first, and the longest.
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 3.0
# When a kind that the cluster does not have (a CRD may come), or that is refused, is asked for again.
UNSERVED_PAUSE, REFUSED_PAUSE = 3.0, 30.0
# How often in a row a watch may end without a word before that is told.
PATIENCE = 3
# At most so many bytes of one watch are read before the next has its turn.
TURN_BYTES = 4 * 1024**2
Clock = Callable[[], float]


@dataclass(eq=False)
class _Stream:
    """One list and its watch."""

    want: Want
    due: float = 0.0
    resource: Resource | None = None
    version: str = ""  # "" until it is listed
    items: dict[tuple[str, str], Object] = field(default_factory=dict)
    served: bool = True
    error: str | None = None
    connection: http.client.HTTPConnection | None = None
    answer: Answer = field(default_factory=Answer)
    heard: float = 0.0
    fresh: bool = True  # nothing has come over this connection yet
    stumbles: int = 0  # how often in a row it ended at once, or with rubbish
    known: ObjectList | None = None

    @property
    def sound(self) -> bool:
        """Whether it is watched, or is known not to be had."""
        if self.connection is None:
            return not self.served or self.error is not None
        return self.answer.status == 200

    def shown(self) -> ObjectList:
        """The list as a LIST would have given it now, in the server's order."""
        if self.known is None:
            # Cluster-scoped is told by an empty namespace, as `lists` has it.
            scope = self.want.namespace if self.resource is None or self.resource.namespaced else ""
            items = tuple(self.items[key] for key in sorted(self.items))
            self.known = ObjectList(
                self.want.api_version, self.want.kind, scope, items, self.version, self.served, self.error
            )
        return self.known


class Watches:
    """The lists of one cluster. For one thread, but for `wake`."""

    def __init__(
        self, access: Access, wants: Iterable[Want], *, managed_fields: bool = False, clock: Clock = time.monotonic
    ) -> None:
        """Nothing is asked before the first `turn`."""
        self.trouble: str | None = None
        self._access, self._managed, self._clock = access, managed_fields, clock
        order = sorted(set(wants), key=lambda want: (want.api_version, want.kind, want.namespace))
        self._streams = [_Stream(want) for want in order]
        self._pause, self._resume = 0.0, 0.0
        self._unread: set[_Stream] = set()
        self._ringing, self._closed = threading.Lock(), False
        self._selector = selectors.DefaultSelector()
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._selector.register(self._bell, selectors.EVENT_READ)

    @property
    def complete(self) -> bool:
        """Whether every list has been had once, or is known not to be had."""
        return all(one.version or not one.served or one.error for one in self._streams)

    @property
    def lists(self) -> tuple[ObjectList, ...]:
        """Every list as it is now; the same object as long as it has not changed."""
        return tuple(one.shown() for one in self._streams)

    def wake(self) -> None:
        """End the wait of a `turn`; from any thread."""
        # Under a lock, as the number of a closed descriptor may be another's by now.
        with self._ringing:
            if not self._closed:
                os.eventfd_write(self._bell, 1)

    def close(self) -> None:
        """End every watch."""
        for one in self._streams:
            self._drop(one)
        self._access.close()
        with self._ringing:
            if not self._closed:
                self._closed = True
                self._selector.close()
                os.close(self._bell)

    def turn(self, timeout: float) -> bool:
        """Open what is due, wait for news for `timeout` seconds at most, take them in. Whether a list changed."""
        before = self.trouble
        changed = self._open_due()
        # What was decrypted and not read yet is not seen by a selector.
        ready, self._unread = self._unread, set()
        for key, _ in self._selector.select(0.0 if changed or ready else self._wait(timeout)):
            if key.data is None:
                with suppress(BlockingIOError):
                    os.eventfd_read(self._bell)
            else:
                ready.add(key.data)
        for one in ready:
            changed |= self._read(one)
        now = self._clock()
        if now - max((one.heard for one in self._streams if one.connection is not None), default=now) > SILENCE:
            for one in self._streams:
                self._drop(one)
        if self._resume <= now and all(one.sound for one in self._streams):
            self.trouble, self._pause = None, 0.0
        return changed or self.trouble != before

    def _wait(self, timeout: float) -> float:
        due = [one.due for one in self._streams if one.connection is None]
        next_due = max(min(due), self._resume) if due else float("inf")
        return max(0.0, min(timeout, next_due - self._clock()))

    def _open_due(self) -> bool:
        changed = False
        for one in self._streams:
            now = self._clock()
            if one.connection is not None or one.due > now or self._resume > now:
                continue
            try:
                changed |= self._open(one, now)
            except (OSError, http.client.HTTPException, NoAnswer, ClusterUnreachable) as fault:
                self._stumbled(str(fault) or type(fault).__name__)
        return changed

    def _stumbled(self, why: str) -> None:
        self._pause = min(max(FIRST_PAUSE, self._pause * 2), LONGEST_PAUSE)
        self._resume = self._clock() + self._pause * random.uniform(0.8, 1.2)  # noqa: S311 - no secret, only spread
        self.trouble = why
        self._access.close()
        self._access.afresh()

    def _open(self, one: _Stream, now: float) -> bool:
        """List it where it has to be, and watch it from there. Whether the list changed."""
        changed = False
        if not one.version:
            changed = self._list(one, now)
            if not one.version:
                return changed
        if one.resource is None:
            raise TypeError("a list was had of a kind that is not served")
        query = urlencode(
            {
                "watch": 1,
                "resourceVersion": one.version,
                "allowWatchBookmarks": "true",
                "timeoutSeconds": int(LASTS * random.uniform(0.8, 1.2)),  # noqa: S311 - as above
            }
        )
        config = self._access.kubeconfig
        connection = connect(config)
        try:
            path = config.server.path.rstrip("/") + path_of(self._scoped(one), one.resource)
            headers = {"Accept": "application/json", "User-Agent": "seatrial-portal", **config.headers}
            connection.request("GET", f"{path}?{query}", headers=headers)
            connection.sock.setblocking(False)
            self._selector.register(connection.sock, selectors.EVENT_READ, one)
        except BaseException:
            connection.close()
            raise
        one.connection, one.answer, one.heard, one.fresh = connection, Answer(), now, True
        return changed

    def _list(self, one: _Stream, now: float) -> bool:
        before = (one.served, one.error, bool(one.items))
        try:
            one.resource = resource_of(self._access, one.want)
            if one.resource is None:
                one.served, one.error, one.items, one.due = False, None, {}, now + UNSERVED_PAUSE
            else:
                found = listed(self._access, self._scoped(one), one.resource, self._managed)
                one.served, one.error, one.version = True, None, found.resource_version or "0"
                one.items = {_key(item): item for item in found.items}
        except NoAnswer:
            raise
        except ApiFault as fault:
            # A kind that was there a moment ago, or one that this identity may not see.
            self._access.kinds.pop((one.want.api_version, one.want.kind), None)
            gone = fault.status == 404
            one.served, one.error, one.items = not gone, None if gone else str(fault), {}
            one.due = now + (UNSERVED_PAUSE if gone else REFUSED_PAUSE)
        one.known = None
        return bool(one.version) or before != (one.served, one.error, bool(one.items))

    @staticmethod
    def _scoped(one: _Stream) -> Want:
        return one.want if one.resource is None or one.resource.namespaced else replace(one.want, namespace="")

    def _read(self, one: _Stream) -> bool:
        """Take in what has come. Whether the list changed."""
        changed, read = False, 0
        connection = one.connection
        if connection is None:
            return False
        one.heard = self._clock()
        try:
            while True:
                data = connection.sock.recv(1 << 16)
                if not data:
                    raise ConnectionResetError("the connection ended")
                read += len(data)
                for line in one.answer.feed(data):
                    changed |= self._event(one, line)
                if one.answer.complete:
                    self._over(one)
                    break
                if read >= TURN_BYTES:
                    self._unread.add(one)
                    break
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
            pass  # nothing more has come
        except _Stale:
            one.version = ""
            self._over(one)
        except Garbled:
            one.version = ""
            self._over(one, stumbled=True)
        except OSError:
            self._over(one)
        return changed

    def _event(self, one: _Stream, line: bytes) -> bool:
        try:
            event = orjson.loads(line)
            kind, item = event["type"], event["object"]
            metadata = item["metadata"] if kind != "ERROR" else {}
            version = str(metadata.get("resourceVersion") or "")
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
            if one.answer.status == 410:
                raise _Stale from None
            raise Garbled("a line of the watch is no event") from None
        if kind == "ERROR" or one.answer.status != 200:
            raise _Stale
        one.fresh, one.stumbles = False, 0
        one.version = version or one.version
        if kind == "BOOKMARK":
            return False
        key = _key(item)
        if kind == "DELETED":
            changed = one.items.pop(key, None) is not None
        else:
            item["apiVersion"], item["kind"] = one.want.api_version, one.want.kind
            if not self._managed:
                metadata.pop("managedFields", None)
            one.items[key], changed = item, True
        if changed:
            one.known = None
        return changed

    def _over(self, one: _Stream, *, stumbled: bool = False) -> None:
        """A watch has ended. One that said something goes on at once; one that ends again and again waits."""
        one.stumbles = one.stumbles + 1 if stumbled or one.fresh else 0
        if one.stumbles > PATIENCE:
            self.trouble = self.trouble or f"the watch of {one.want.kind} ends as soon as it is opened"
        pause = min(FIRST_PAUSE * 2 ** min(one.stumbles - 1, 8), LONGEST_PAUSE) if one.stumbles else 0.0
        self._drop(one)
        one.due = self._clock() + pause

    def _drop(self, one: _Stream) -> None:
        self._unread.discard(one)
        if one.connection is not None:
            with suppress(KeyError, ValueError):  # a socket that is closed already
                self._selector.unregister(one.connection.sock)
            one.connection.close()
            one.connection = None


class _Stale(Exception):
    """The watch cannot go on from where it was: list again."""


def _key(item: Object) -> tuple[str, str]:
    about = item.get("metadata")
    about = about if isinstance(about, dict) else {}
    return str(about.get("namespace") or ""), str(about.get("name") or "")
