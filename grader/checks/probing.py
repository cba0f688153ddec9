"""Checks of what real Pods answer: what a probe asks, and whether the replies are what is expected.

A question holds only what is asked and not what must come back, so that an expectation that was mended is judged on
evidence that was taken before. Whatever stands in a reply may be a student's text: it decides nothing but the check
that it is about, and is cleaned before it is shown.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from grader.checks.verdicts import Finding
from grader.checks.wording import NAME_LIMIT, clean, shown
from grader.labfile.schema import DnsProbe, ExecProbe, HttpProbe, LogsProbe, Probe, ProbeSpec, TcpProbe
from grader.model import Outcome, Probed, Reply, Snapshot

ANSWERED, UNANSWERED, ERROR = "answered", "unanswered", "error"
# How much of an answer is shown, in characters.
EXCERPT = 120
# Why nobody answered, as the second half of a sentence. {pod} {port} {said} are the reply's.
REASONS: Mapping[str, str] = {
    "no-service": "there is no such Service",
    "external-name": "it is of type ExternalName, so it leads out of the cluster, where no probe goes",
    "no-port": "it has no such port ({said})",
    "no-endpoints": "no Pod that is ready stands behind it",
    "foreign-endpoint": "it leads to {said}, which is no Pod of this namespace, and no probe goes there",
    "no-pod": "there is no such Pod",
    "host-network": "Pod {pod} uses its node's network, where no probe goes",
    "not-running": "Pod {pod} is not running ({said})",
    "refused": "Pod {pod} refuses connections to its port {port}",
    "unreachable": "Pod {pod} cannot be reached on its port {port} ({said})",
    "silent": "Pod {pod} takes the connection to its port {port} and does not answer",
    "no-http": "what Pod {pod} answers on its port {port} is not HTTP",
    "no-container": "Pod {pod} has no such container",
    "cannot-execute": "it cannot be run in Pod {pod} ({said})",
    "no-such-name": "there is no such name",
    "no-address": "the name has no address",
    "own-name-server": "Pod {pod} does not ask the cluster's name server ({said})",
    "no-answer": "the name server gave no answer ({said})",
}
# Set by a lab, never by a student: how a probe's fields are called in the question.
_EXPECTED = {"status", "contains", "exit_code", "resolves"}


def kind(spec: ProbeSpec) -> HttpProbe | TcpProbe | DnsProbe | ExecProbe | LogsProbe:
    """The one kind of probe that a spec holds."""
    found = spec.http or spec.tcp or spec.dns or spec.exec or spec.logs
    if found is None:
        raise TypeError("a probe without a kind cannot be read from a lab")
    return found


def question(spec: ProbeSpec) -> str:
    """What is asked, as JSON with sorted keys: equal for two probes that ask the same, whatever they expect."""
    word = next(name for name in ("http", "tcp", "dns", "exec", "logs") if getattr(spec, name) is not None)
    asked = kind(spec).model_dump(mode="json", exclude=_EXPECTED, exclude_none=True)
    return json.dumps({word: asked}, sort_keys=True, ensure_ascii=False)


def replies(check: Probe, check_id: str, look: Snapshot) -> Probed | None:
    """What was replied to a probe at a look: under its own id, or, where the lab was changed since, under another's
    that asked the same. None where it was not asked."""
    if look.probes is None:
        return None
    asked = question(check.probe)
    own = look.probes.get(check_id)
    if own is not None and own.question == asked:
        return own
    return next((one for one in look.probes.values() if one.question == asked), None)


def probe(check: Probe, check_id: str, look: Snapshot) -> Finding:
    """Whether everybody who was asked replied as expected."""
    found = replies(check, check_id, look)
    if found is None:
        if look.probes is None:
            # Nobody's fault, and nothing that grading again with this evidence could mend.
            problem = "Skipped: the evidence was taken without probes; grade the cluster again"
            return Finding(Outcome.SKIPPED, problem, collected=False)
        problem = "The evidence holds no answer to this probe; grade the cluster again to ask it"
        return Finding(Outcome.ERROR, problem, collected=False)
    wrong = lacking(check.probe, found)
    if wrong is not None:
        if wrong.state == ERROR:
            return Finding(Outcome.ERROR, f"The probe could not be made: {clean(wrong.said, 400)}")
        return Finding(Outcome.FAILED, told(check.probe, wrong))
    return Finding(Outcome.PASSED, told(check.probe, found.replies[0]))


def lacking(spec: ProbeSpec, found: Probed) -> Reply | None:
    """The first reply that is not as expected; None where all are. One that is an error comes before the others."""
    if not found.replies:
        return Reply(ERROR, said="it was given no reply")
    first = next((one for one in found.replies if one.state == ERROR), None)
    return first or next((one for one in found.replies if not _as_expected(spec, one)), None)


def _as_expected(spec: ProbeSpec, reply: Reply) -> bool:
    if spec.dns is not None and not spec.dns.resolves:
        return reply.state == UNANSWERED and reply.reason in ("no-such-name", "no-address")
    if reply.state != ANSWERED:
        return False
    if spec.http is not None:
        known = spec.http.status is None or reply.code == spec.http.status
        return known and (spec.http.contains is None or spec.http.contains in reply.text)
    if spec.exec is not None:
        ended = reply.code == spec.exec.exit_code
        return ended and (spec.exec.contains is None or spec.exec.contains in reply.text)
    return spec.logs is None or spec.logs.contains in reply.text


def told(spec: ProbeSpec, reply: Reply) -> str:
    """What became of a probe in a sentence: what was asked, what came back, and what was expected if that differs."""
    asked = words(spec)
    if reply.state == UNANSWERED:
        expected = ", and it must have an address" if spec.dns and spec.dns.resolves else ""
        return f"{asked}: {reason(reply)}{expected}"
    if spec.http is not None:
        return f"{asked}: {_http(spec.http, reply)}"
    if spec.exec is not None:
        return f"{asked}: {_exec(spec.exec, reply)}"
    if spec.logs is not None:
        return f"{asked}: {_logs(spec.logs, reply)}"
    if spec.dns is not None:
        found = clean(", ".join(reply.addresses[:4]), 160)
        return f"{asked}: it stands for {found}{'' if spec.dns.resolves else ', and must not be there'}"
    return f"{asked}: it takes connections"


def reason(reply: Reply) -> str:
    """Why nobody answered, as half a sentence."""
    pod, said = clean(reply.pod, NAME_LIMIT), clean(reply.said, 160)
    # Nothing of a reply is ever used as a format.
    return REASONS.get(reply.reason, "nobody answered").format(pod=pod, port=reply.port, said=said)


def words(spec: ProbeSpec) -> str:
    """What a probe asks: "GET / of Service web on port 8080", "The command cat /data/ledger in Pod clerk"."""
    match kind(spec):
        case HttpProbe() as http:
            return f"GET {clean(http.path)} of {_target(http)} on port {clean(str(http.port))}"
        case TcpProbe() as tcp:
            return f"Connecting to {_target(tcp)} on port {clean(str(tcp.port))}"
        case DnsProbe() as dns:
            return f"Looking {clean(dns.name, NAME_LIMIT)} up{_in(dns.pod, None)}"
        case ExecProbe() as command:
            return f"The command {clean(' '.join(command.command))}{_in(command.pod, command.container)}"
        case LogsProbe() as logs:
            return f"The log of {_in(logs.pod, logs.container).removeprefix(' in ')}"


def _target(asked: HttpProbe | TcpProbe) -> str:
    name = clean(asked.service or asked.pod or "", NAME_LIMIT)
    return f"Service {name}" if asked.service else f"Pod {name}"


def _in(pod: str | None, container: str | None) -> str:
    within = f"container {clean(container, NAME_LIMIT)} of " if container else ""
    return f" in {within}Pod {clean(pod, NAME_LIMIT)}" if pod else ""


def _http(asked: HttpProbe, reply: Reply) -> str:
    answer = f"status {reply.code}"
    if asked.status is not None and reply.code != asked.status:
        return f"{answer}, expected {asked.status}{_body(reply)}"
    if asked.contains is not None and asked.contains not in reply.text:
        return f"{answer}, and {shown(asked.contains)} is not in the answer{_body(reply)}"
    return answer


def _body(reply: Reply) -> str:
    body = clean(reply.text, EXCERPT).strip()
    where = f" from Pod {clean(reply.pod, NAME_LIMIT)}" if reply.pod else ""
    return f'{where}: "{body}"{_cut(reply)}' if body else f"{where}, and no body"


def _exec(asked: ExecProbe, reply: Reply) -> str:
    end = ending(reply.text)
    nothing = "; nothing that it printed can be shown" if reply.text else "; it printed nothing"
    printed = f'; the end of its output: "{end}"' if end else nothing
    if reply.code is None:
        why = "it had not ended in time" if reply.cut == "time" else "it prints more than is read"
        return f"{why}, and was ended{printed}"
    if reply.code != asked.exit_code:
        return f"exit code {reply.code}, expected {asked.exit_code}{printed}"
    if asked.contains is not None and asked.contains not in reply.text:
        return f"{shown(asked.contains)} is not in its output{printed}"
    return f"exit code {reply.code}"


def _logs(asked: LogsProbe, reply: Reply) -> str:
    if asked.contains in reply.text:
        return f"{shown(asked.contains)} is in it"
    end = ending(reply.text)
    ends = f'{_cut(reply)}; it ends with "{end}"' if end else "; it is empty"
    return f"{shown(asked.contains)} is not in it{ends}"


def ending(text: str) -> str:
    """The end of a command's output, on one line."""
    line = clean(text[-EXCERPT * 4 :], EXCERPT * 4).strip()
    return line if len(line) <= EXCERPT else f"…{line[1 - EXCERPT :]}"


def _cut(reply: Reply) -> str:
    return {
        "size": " (no more than this much was read)",
        "time": " (no more came in time)",
    }.get(reply.cut, "")
