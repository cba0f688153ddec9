"""exec and logs: what a student's own container does or says. So only a check that asks for it gets it from there."""

from __future__ import annotations

import http.client
from urllib.parse import urlencode

import orjson

from grader.checks.probing import ANSWERED, ERROR, UNANSWERED
from grader.collect.access import Access
from grader.collect.probes.executing import CannotExecute, execute
from grader.collect.probes.limits import LINES, LOG, READ, Deadline
from grader.collect.probes.targets import Refused, core, found_pod, state
from grader.collect.probes.websocket import NotUpgraded
from grader.labfile.schema import ExecProbe, LogsProbe
from grader.model import Object, Reply


def command(access: Access, namespace: str, asked: ExecProbe, until: Deadline) -> Reply:
    """Run a command. Raises Refused, ApiFault and OSError."""
    pod = found_pod(access, namespace, asked.pod)
    container = _container(pod, asked.container)
    runs = _running(pod, container)
    if runs is None:
        raise Refused("not-running", state(pod), asked.pod)
    try:
        path = core(namespace, "pods", asked.pod)
        ran = execute(access.kubeconfig, path, container, asked.command, until)
    except CannotExecute as fault:
        return Reply(UNANSWERED, "cannot-execute", str(fault), asked.pod)
    except NotUpgraded as fault:
        return not_opened(fault, asked.pod)
    except ConnectionError:
        # The kubelet says how a command ended, unless its container, the API server or itself ended meanwhile.
        said = "the stream of the command broke off"
        access.get("/version")
        if _running(found_pod(access, namespace, asked.pod), container) == runs:
            return Reply(ERROR, said=f"{said}, and container {container} of Pod {asked.pod} runs on", pod=asked.pod)
        return Reply(UNANSWERED, "cannot-execute", said, asked.pod)
    text = ran.output.decode("utf-8", "replace")
    return Reply(ANSWERED, pod=asked.pod, code=ran.code, text=text, cut=ran.cut)


def not_opened(fault: NotUpgraded, pod: str) -> Reply:
    """The reply where there is no stream into a Pod: it, or its container, may have ended since it was looked at."""
    if fault.status == 404 or "container not found" in fault.message:
        return Reply(UNANSWERED, "not-running", fault.message, pod)
    return Reply(ERROR, said=refusal(fault, pod), pod=pod)


def refusal(fault: NotUpgraded, pod: str) -> str:
    """What the API server will not do, in a sentence."""
    said = f"the API server answers {fault.status} ({fault.message}) to a stream into Pod {pod}"
    return f"{said}; grade with a kubeconfig that may open one" if fault.status in (401, 403) else said


def log(access: Access, namespace: str, asked: LogsProbe, until: Deadline) -> Reply:
    """Read the last lines of a log. Raises Refused, ApiFault and OSError."""
    pod = found_pod(access, namespace, asked.pod)
    container = _container(pod, asked.container)
    if not (pod.get("spec") or {}).get("nodeName"):  # of such a Pod the API server gives an empty log
        raise Refused("not-running", state(pod), asked.pod)
    query = urlencode({"container": container, "tailLines": LINES, "limitBytes": LOG})
    path = f"{core(namespace, 'pods', asked.pod)}/log?{query}"
    access.patience(until.left())
    with access.answer(path, {"Accept": "*/*"}) as response:
        body, cut = read(access, response, until, LOG)
    if response.status == 200:
        cut = cut or ("size" if len(body) > READ else "")
        return Reply(ANSWERED, pod=asked.pod, text=body[-READ:].decode("utf-8", "replace"), cut=cut)
    said = _message(body)
    if response.status in (400, 404):
        return Reply(UNANSWERED, "not-running", state(pod), asked.pod)
    fault = f"the API server answers {response.status} ({said}) for the log of Pod {asked.pod}"
    more = "; grade with a kubeconfig that may read it" if response.status in (401, 403) else ""
    return Reply(ERROR, said=fault + more, pod=asked.pod)


def read(access: Access, response: http.client.HTTPResponse, until: Deadline, most: int = READ) -> tuple[bytes, str]:
    """A body up to so many bytes and until the deadline, and what cut it: "", "size" or "time"."""
    body = b""
    try:
        while len(body) <= most:
            access.patience(until.left())
            chunk = response.read1(min(1 << 16, most + 1 - len(body)))
            if not chunk:
                return body, ""
            body += chunk
    except TimeoutError:
        return body, "time"
    except http.client.IncompleteRead as broken:
        return (body + broken.partial)[:most], "time"
    return body[:most], "size"


def _message(body: bytes) -> str:
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ""
    return str(said.get("message") or "")[:500] if isinstance(said, dict) else ""


def _container(pod: Object, wanted: str | None) -> str:
    """The container's name: the first where none is named. Raises Refused."""
    spec = pod.get("spec") or {}
    names = [str(c.get("name")) for part in ("containers", "initContainers") for c in spec.get(part) or ()]
    if wanted is not None and wanted not in names:
        raise Refused("no-container", pod=str(pod["metadata"]["name"]))
    return wanted or names[0]


def _running(pod: Object, container: str) -> str | None:
    """The id of the container as it runs now: after a restart it is another. None where it does not run."""
    status = pod.get("status") or {}
    every = [one for part in ("containerStatuses", "initContainerStatuses") for one in status.get(part) or ()]
    run = (one for one in every if one.get("name") == container and "running" in (one.get("state") or {}))
    return next((str(one.get("containerID") or "") for one in run), None)
