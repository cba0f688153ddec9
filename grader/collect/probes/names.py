"""dns: a name looked up at the cluster's own name server, as a Pod of the lab's namespace would.

The server is asked through a port-forward into its Pod, in kube-system and out of the student's reach. No Pod of the
student's runs anything for it: where the check names one, its search list is worked out from its spec.
"""

from __future__ import annotations

import ipaddress
import os
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from grader.checks.probing import ANSWERED, ERROR, UNANSWERED
from grader.collect.access import Access, ApiFault
from grader.collect.probes.forwarding import Forwarded, NotConnected
from grader.collect.probes.inside import refusal
from grader.collect.probes.limits import Deadline
from grader.collect.probes.targets import Refused, found_pod
from grader.collect.probes.websocket import Broken, NotUpgraded
from grader.labfile.schema import DnsProbe
from grader.model import Object, Reply

_SYSTEM, _SELECTOR = "/api/v1/namespaces/kube-system", "k8s-app=kube-dns"
_PORT = 53
_A, _CNAME, _AAAA = 1, 5, 28
_NO_SUCH_NAME = 3
_CODES = {1: "it does not understand the question", 2: "it failed", 5: "it refused"}
# A name outside of the cluster is asked of servers further up; so many seconds are theirs.
_UPSTREAM = 2.0
# Answers of one question that are kept.
_MOST = 32


@dataclass(frozen=True, slots=True)
class Resolver:
    """How a Pod looks names up: what resolv.conf of it says."""

    search: Sequence[str]
    domain: str
    dots: int = 5

    def candidates(self, name: str) -> list[tuple[str, bool]]:
        """The whole names that are tried, and whether each is in the cluster's own domain, which its server knows.

        Those come first, wherever a Pod has them: the others may take the server its time, and one name that stands for
        something is enough.
        """
        tried = [(whole, self._inside(whole)) for whole in self._tried(name)]
        return sorted(tried, key=lambda one: not one[1])

    def _inside(self, name: str) -> bool:
        return f".{name}".lower().endswith(f".{self.domain}".lower())

    def _tried(self, name: str) -> Iterator[str]:
        if name.endswith("."):
            yield name.rstrip(".")
            return
        early = name.count(".") >= self.dots
        if early:
            yield name
        yield from (f"{name}.{domain}".rstrip(".") for domain in self.search)
        if not early and "." in name:  # a single word is nothing outside
            yield name


def look_up(access: Access, namespace: str, asked: DnsProbe, until: Deadline) -> Reply:
    """Look a name up. Raises Refused, ApiFault and OSError."""
    resolver = _resolver(access, namespace, asked.pod)
    server = _server(access)
    if server is None:
        return Reply(ERROR, said="this cluster has no name server of its own that is ready (k8s-app=kube-dns)")
    try:
        with Forwarded(access.kubeconfig, "kube-system", server, _PORT, until) as stream:
            return _tried(_Conversation(stream), resolver, asked, until)
    except NotConnected as fault:
        said = f"the cluster's name server, Pod {server}, takes no connections ({fault})"
    except NotUpgraded as fault:
        said = refusal(fault, server)
    except TimeoutError:
        said = "the cluster's name server did not answer in time"
    return Reply(ERROR, said=said)


def _tried(server: _Conversation, resolver: Resolver, asked: DnsProbe, until: Deadline) -> Reply:
    """Ask for one whole name after another, up to the first that stands for something."""
    pod = asked.pod or ""
    reply = Reply(UNANSWERED, "no-such-name", pod=pod)
    for name, inside in resolver.candidates(asked.name):
        try:
            code, addresses = server.ask(name, until if inside else until.within(_UPSTREAM))
        except TimeoutError:
            if inside:
                raise
            return reply  # only servers outside of the cluster take so long, and what is inside has been asked
        if addresses:
            return Reply(ANSWERED, pod=pod, text=name, addresses=tuple(addresses))
        if code == 0:
            reply = Reply(UNANSWERED, "no-address", name, pod)
        elif code != _NO_SUCH_NAME and inside:
            return Reply(UNANSWERED, "no-answer", _CODES.get(code, f"code {code}"), pod)
    return reply


def _resolver(access: Access, namespace: str, pod_name: str | None) -> Resolver:
    domain = _domain(access)
    usual = [f"{namespace}.svc.{domain}", f"svc.{domain}", domain]
    if pod_name is None:
        return Resolver(usual, domain)
    pod = found_pod(access, namespace, pod_name)
    spec = pod.get("spec") or {}
    own: Any = spec.get("dnsConfig") or {}
    policy = spec.get("dnsPolicy") or "ClusterFirst"
    if policy in ("None", "Default") or (policy == "ClusterFirst" and spec.get("hostNetwork")):
        _demand_cluster_server(access, pod, own, policy)
        usual = []
    dots = next((str(o.get("value")) for o in own.get("options") or () if o.get("name") == "ndots"), "5")
    search = [*usual, *map(str, own.get("searches") or ())][:32]
    # Nothing bounds what a Pod may say here, and resolvers take 15 for more.
    return Resolver(search, domain, min(int(dots), 15) if dots.isdecimal() and len(dots) < 3 else 5)


def _demand_cluster_server(access: Access, pod: Object, own: Any, policy: str) -> None:
    """A Pod may name the cluster's server itself. Raises Refused where it asks others."""
    servers = [str(server) for server in own.get("nameservers") or ()]
    try:
        service = access.get(f"{_SYSTEM}/services/kube-dns")
    except ApiFault as fault:
        if fault.status != 404:
            raise
        service = {}
    known = set((service.get("spec") or {}).get("clusterIPs") or ())
    if policy == "Default" or not known.intersection(servers):
        said = f"its dnsPolicy is {policy}" + (f", its name servers are {', '.join(servers[:3])}" if servers else "")
        raise Refused("own-name-server", said, str(pod["metadata"]["name"]))


def _domain(access: Access) -> str:
    """The cluster's domain, as its name server is set up to serve it."""
    try:
        settings = access.get(f"{_SYSTEM}/configmaps/coredns").get("data") or {}
    except ApiFault as fault:
        if fault.status in (403, 404):
            return "cluster.local"
        raise
    found = re.search(r"^\s*kubernetes\s+([\w.-]+)", str(settings.get("Corefile") or ""), re.MULTILINE)
    return found[1].rstrip(".") if found else "cluster.local"


def _server(access: Access) -> str | None:
    """A Pod of the name server that is ready."""
    pods = access.get(f"{_SYSTEM}/pods", labelSelector=_SELECTOR).get("items") or ()
    for pod in sorted(pods, key=lambda one: str(one["metadata"]["name"])):
        ready = {"type": "Ready", "status": "True"}.items()
        if any(ready <= one.items() for one in (pod.get("status") or {}).get("conditions") or ()):
            return str(pod["metadata"]["name"])
    return None


class _Conversation:
    """Questions over one connection (DNS over TCP, RFC 7766)."""

    def __init__(self, stream: Forwarded) -> None:
        self._stream, self._ahead = stream, b""

    def ask(self, name: str, until: Deadline) -> tuple[int, list[str]]:
        """The code of the answer and what the name stands for. Raises NotConnected and OSError."""
        code, found = 0, list[str]()
        for kind in (_A, _AAAA):
            number = int.from_bytes(os.urandom(2), "big")
            question = query(number, name, kind)
            if question is None:
                return _NO_SUCH_NAME, []
            self._stream.send(struct.pack("!H", len(question)) + question, until)
            code, more = self._answer(number, until)
            found += [one for one in more if one not in found]
            if code:
                break
        return (0 if found else code), found

    def _answer(self, number: int, until: Deadline) -> tuple[int, list[str]]:
        while True:
            message = self._exactly(int.from_bytes(self._exactly(2, until), "big"), until)
            if message[:2] == struct.pack("!H", number):
                return parse(message)

    def _exactly(self, count: int, until: Deadline) -> bytes:
        while len(self._ahead) < count:
            data = self._stream.receive(until)
            if not data:
                raise Broken("the cluster's name server closed the connection")
            self._ahead += data
        taken, self._ahead = self._ahead[:count], self._ahead[count:]
        return taken


def query(number: int, name: str, kind: int) -> bytes | None:
    """A question. None for what cannot be a name."""
    labels = [label.encode("ascii", "replace") for label in name.split(".")]
    if not all(0 < len(label) < 64 for label in labels) or sum(map(len, labels)) + len(labels) > 254:
        return None
    encoded = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    return struct.pack("!HHHHHH", number, 0x0100, 1, 0, 0, 0) + encoded + struct.pack("!HH", kind, 1)


def parse(message: bytes) -> tuple[int, list[str]]:
    """The code and the addresses of an answer; an alias without an address is told as a name. Raises Broken."""
    try:
        flags, questions, answers = struct.unpack_from("!HHH", message, 2)
        at = 12
        for _ in range(questions):
            at = _name(message, at)[1] + 4
        addresses, aliases = list[str](), list[str]()
        for _ in range(min(answers, _MOST)):
            at = _name(message, at)[1]
            kind, _, _, length = struct.unpack_from("!HHIH", message, at)
            at += 10
            data = message[at : at + length]
            if kind in (_A, _AAAA):
                addresses.append(str(ipaddress.ip_address(data)))
            elif kind == _CNAME:
                aliases.append(_name(message, at)[0])
            at += length
    except (struct.error, ValueError, IndexError):
        raise Broken("the cluster's name server answers with what is no answer") from None
    return flags & 0x0F, addresses or aliases


def _name(message: bytes, at: int) -> tuple[str, int]:
    """A name and where the next field begins. Raises ValueError and IndexError; ends whatever the pointers say."""
    labels, end, jumps = list[str](), 0, 0
    while length := message[at]:
        if length >= 0xC0:
            jumps += 1
            if jumps > 32:
                raise ValueError("a name that leads in a circle")
            end = end or at + 2
            at = (length & 0x3F) << 8 | message[at + 1]
            continue
        labels.append(message[at + 1 : at + 1 + length].decode("ascii", "replace"))
        at += 1 + length
    return ".".join(labels), end or at + 1
