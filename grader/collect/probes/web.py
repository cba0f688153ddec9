"""http and tcp: whether a Pod answers at its address, and what.

Two ways lead to a Pod, and each alone could be wrong. The API server's proxy connects to the Pod's address, as a
Service does, so what listens on the container's loopback alone is not reached, as it should be; but it keeps a whole
page of HTML in its memory, to rewrite the links, however long the Pod makes it. So it is asked by HEAD, whose answer
has no body. The answer itself comes by port-forward, byte for byte as the Pod sends it, and ends where we stop reading.

Never send the proxy a request to upgrade a Pod's connection: it then reads the head of the answer without a bound and
without an end, also when nobody waits for it any more. A Pod that sends zeros for ever took 22 GB of an API server.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from urllib.parse import quote

import orjson

from grader.checks.probing import ANSWERED, ERROR, UNANSWERED
from grader.collect.access import Access
from grader.collect.probes import limits
from grader.collect.probes.answers import Ending, begun, body_of
from grader.collect.probes.forwarding import Forwarded, NotConnected
from grader.collect.probes.inside import not_opened, read
from grader.collect.probes.limits import READ, Deadline
from grader.collect.probes.rights import may_connect
from grader.collect.probes.targets import Spot, core, running, spots
from grader.collect.probes.websocket import NotUpgraded
from grader.labfile.schema import HttpProbe, TcpProbe
from grader.model import Reply

# Seconds for the API server's connection to a Pod; a Pod that takes it and says nothing uses them up. And for those few
# answers that are had through it: longer, and an endless one would fill too much of its memory.
DIAL, PROXIED = 2.0, 1.0
# Seconds for which a stream into the Pod must stay open to count as connected where nothing is said.
QUIET = 0.3
# Statuses that may be the API server's own, beside 5xx: of a Pod that it cannot reach, or that is gone, or of itself. A
# Pod may give them as well.
_OWN = frozenset({400, 401, 403, 404, 429})
# A server that takes one connection after another may need a moment between two, in seconds.
_PAUSES = (0.05, 0.2)
# Bytes of a head of HTTP.
_HEAD = 64 << 10
# Characters of what the API server says that are read. A Pod can write in its place, and would write more.
_MESSAGE = 1000
# What the API server says once it is connected, of an answer that is not HTTP.
_CONNECTED = re.compile(r"malformed HTTP|\bEOF$|connection reset|\bread tcp\b|broken pipe|server closed|http2")


def tcp(access: Access, namespace: str, asked: TcpProbe) -> list[Reply]:
    """Connect to each Pod. Raises Refused, ApiFault and OSError."""

    def connected(own: Access, spot: Spot) -> Reply:
        until = Deadline.after(limits.ANSWER)
        return _dial(own, namespace, spot, until) or _held_open(own, namespace, spot, until)

    return _of_each(access, spots(access, namespace, asked), connected)


def http(access: Access, namespace: str, asked: HttpProbe) -> list[Reply]:
    """GET the path from each Pod. Raises Refused, ApiFault and OSError."""

    def got(own: Access, spot: Spot) -> Reply:
        until = Deadline.after(limits.ANSWER)
        reply = _dial(own, namespace, spot, until)
        known = reply is not None and reply.state != ANSWERED
        return reply if reply and known else _get(own, namespace, spot, asked, until)

    return _of_each(access, spots(access, namespace, asked), got)


def _of_each(access: Access, found: Iterable[Spot], ask: Callable[[Access, Spot], Reply]) -> list[Reply]:
    """The replies of all Pods, who are asked side by side, up to the first that did not answer."""

    def one(spot: Spot) -> Reply:
        if spot is every[0]:
            return ask(access, spot)
        own = access.another()
        try:
            return ask(own, spot)
        finally:
            own.close()

    every = list(found)
    if len(every) == 1:
        return [one(every[0])]
    with ThreadPoolExecutor(len(every), thread_name_prefix="probe-pod") as pool:
        replies = list(pool.map(one, every))
    last = next((i for i, reply in enumerate(replies) if reply.state != ANSWERED), len(replies))
    return replies[: last + 1]


def _dial(access: Access, namespace: str, spot: Spot, until: Deadline) -> Reply | None:
    """Let the API server connect to the Pod's address. None where it is not known whether it could."""
    connected = Reply(ANSWERED, pod=spot.pod, port=spot.port)
    try:
        status, _, _ = _proxied(access, "HEAD", _way(namespace, spot), until.within(DIAL))
        if status not in _OWN and status < 500:
            return connected
        status, body, _ = _proxied(access, "GET", _way(namespace, spot), until.within(PROXIED))
    except TimeoutError:
        return None
    except ConnectionError:  # some are HTTPException too
        _demand_server(access)
        return None
    except HTTPException:
        return connected  # the Pod's own words, passed on as they are
    message = _status_message(body)
    return connected if message is None else _interpreted(access, namespace, spot, status, message)


def _demand_server(access: Access) -> None:
    """What was asked ended before its answer did. A Pod may cause that; where it was the API server that died, this
    raises ApiFault, which is an error."""
    access.get("/version")


def _way(namespace: str, spot: Spot) -> str:
    return f"{core(namespace, 'pods', f'{spot.pod}:{spot.port}')}/proxy/"


def _proxied(access: Access, method: str, path: str, until: Deadline) -> tuple[int, bytes, str]:
    """An answer by the API server's proxy: its status, its body, and what cut it. Raises OSError and HTTPException."""
    whole = False
    try:
        access.patience(until.left())
        with access.answer(path, {"Accept": "*/*"}, method=method) as response:
            body, cut = read(access, response, until)
        whole = not cut
        return response.status, body, cut
    finally:
        if not whole:  # nothing else can come by a connection on which an answer was left
            access.close()


def _interpreted(access: Access, namespace: str, spot: Spot, status: int, message: str) -> Reply | None:
    """What the API server says of its connection to a Pod. None where it says nothing of it."""
    # A Pod can imitate a refusal, to have an error made of its failure.
    if status in (401, 403) and not may_connect(access.kubeconfig, namespace):
        said = f"the API server does not let this identity connect to Pods ({message}); grade with one that may"
        return Reply(ERROR, said=said, pod=spot.pod)
    if (how := _dialled(message)) or "address not allowed" in message:
        how = how or message
        reason = "refused" if "refused" in how else "unreachable"
        return Reply(UNANSWERED, reason, how[:200], spot.pod, spot.port)
    return Reply(ANSWERED, pod=spot.pod, port=spot.port) if _CONNECTED.search(message) else None


def _dialled(message: str) -> str:
    """How connecting failed: "connect: connection refused" of "…: dial tcp 10.0.0.9:80: connect: connection refused".

    Empty where that is not what failed.
    """
    return ": ".join(message.partition("dial tcp")[2].split(": ")[1:][-2:]).strip()


def _status_message(body: bytes) -> str | None:
    """What the API server says itself. None for what a Pod said, unless it imitates the API server."""
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(said, dict) or said.get("kind") != "Status":
        return None
    return str(said.get("message") or "")[:_MESSAGE]


def _held_open(access: Access, namespace: str, spot: Spot, until: Deadline) -> Reply:
    """Whether a Pod that said nothing to the API server holds a connection open: the kubelet would say if not."""
    try:
        with Forwarded(access.kubeconfig, namespace, spot.pod, spot.port, until) as stream:
            try:
                if not stream.receive(until.within(QUIET)):
                    _demand_server(access)
            except TimeoutError:
                until.left()
            except ConnectionError:
                _demand_server(access)
    except NotConnected as fault:
        return _not_connected(fault, spot)
    except NotUpgraded as fault:
        return not_opened(fault, spot.pod)
    return Reply(ANSWERED, pod=spot.pod, port=spot.port)


def _not_connected(fault: NotConnected, spot: Spot) -> Reply:
    reason = "refused" if "refused" in str(fault) else "unreachable"
    return Reply(UNANSWERED, reason, str(fault)[-200:], spot.pod, spot.port)


def _get(access: Access, namespace: str, spot: Spot, asked: HttpProbe, until: Deadline) -> Reply:
    """One GET by port-forward."""
    target = quote(asked.path, safe="/%?&=~:@!$'()*+,;-._")
    host = f"{asked.service or asked.pod}.{namespace}"
    fields = f"Host: {host}\r\nUser-Agent: seatrial-probe\r\nAccept: */*\r\nConnection: close\r\n"
    request = f"GET {target} HTTP/1.1\r\n{fields}\r\n".encode("ascii", "ignore")
    for pause in (*_PAUSES, None):
        try:
            with Forwarded(access.kubeconfig, namespace, spot.pod, spot.port, until) as stream:
                raw, cut = _exchange(access, stream, request, until)
            return _parsed(raw, cut, spot)
        except NotConnected:
            if pause is not None:
                time.sleep(min(pause, until.left()))
        except NotUpgraded as fault:
            return not_opened(fault, spot.pod)
    return _by_proxy(access, namespace, spot, target, until)


def _exchange(access: Access, stream: Forwarded, request: bytes, until: Deadline) -> tuple[bytes, str]:
    """What a Pod says to a request, and what cut it: "", "size" or "time". Raises NotConnected, ApiFault."""
    raw, ending = bytearray(), Ending()
    try:
        stream.send(request, until)
        while not ending.reached(raw):
            data = stream.receive(until)
            if not data:
                _demand_server(access)
                break
            raw += data
            if len(raw) > READ + _HEAD:
                return bytes(raw), "size"
    except TimeoutError:
        return bytes(raw), "time"
    except ConnectionError:
        _demand_server(access)
    return bytes(raw), ""


def _parsed(raw: bytes, cut: str, spot: Spot) -> Reply:
    if not raw:
        return Reply(UNANSWERED, "silent", pod=spot.pod, port=spot.port, cut=cut)
    try:
        response = begun(raw)
    except (HTTPException, ValueError):
        reason = "silent" if cut == "time" and raw.startswith(b"HTTP/1.") else "no-http"
        return Reply(UNANSWERED, reason, pod=spot.pod, port=spot.port, cut=cut)
    body, whole = body_of(response)
    framed = response.chunked or response.length is not None
    text = body[:READ].decode("utf-8", "replace")
    cut = "size" if len(body) > READ else "" if whole and framed else cut
    return Reply(ANSWERED, pod=spot.pod, port=spot.port, code=response.status, text=text, cut=cut)


def _by_proxy(access: Access, namespace: str, spot: Spot, target: str, until: Deadline) -> Reply:
    """The same by the API server's proxy, for the rare server that listens on the Pod's address alone.

    For no longer than the API server may be made to collect a page. Raises Refused where the Pod has gone meanwhile.
    """
    way = _way(namespace, spot)
    access.close()  # a kept connection that has ended meanwhile would look as if the Pod had hung up
    try:
        status, body, cut = _proxied(access, "GET", way + target.removeprefix("/"), until.within(PROXIED))
    except TimeoutError:
        return Reply(UNANSWERED, "silent", pod=spot.pod, port=spot.port, cut="time")
    except (ConnectionError, HTTPException) as fault:
        if isinstance(fault, ConnectionError):
            _demand_server(access)
        return Reply(UNANSWERED, "no-http", pod=spot.pod, port=spot.port)
    message = _status_message(body)
    failed = None if message is None else _interpreted(access, namespace, spot, status, message)
    if failed is not None and failed.state != ANSWERED:
        return failed
    if message is not None and failed is None:
        # The API server's own where it answers so itself, or where the Pod has gone; else the Pod imitates it.
        _demand_server(access)
        running(access, namespace, spot.pod)
    # A link in a page of HTML comes back with the way through the proxy before it.
    text = body.decode("utf-8", "replace").replace(way.removesuffix("/"), "")
    return Reply(ANSWERED, pod=spot.pod, port=spot.port, code=status, text=text, cut=cut)
