"""`seatrial lab start`: put a lab into a cluster, and what to tell whoever has started it."""

from __future__ import annotations

import shlex
from pathlib import Path

from clusters.errors import PermanentError
from clusters.progress import shown
from clusters.registry import owner, provider, providers
from grader import checks, labfile
from grader.collect import Access
from grader.collect.access import ApiFault
from grader.collect.kubeconfig import read
from grader.labfile import LoadedLab
from grader.model import ClusterUnreachable
from proving import images
from proving.demand import needs
from proving.stand import Stand, standing
from proving.start import start


def begin(slug: str, cluster: str | None, kubeconfig: Path | None, student: str | None, *, reset: bool) -> str:
    """Start a lab and give the text that says what to do next. Raises GraderError and ClusterError."""
    folder = labfile.find(slug)
    stand = _foreign(kubeconfig, student) if kubeconfig else standing(cluster or _only())
    lab = labfile.read(folder, student=stand.student_name)
    checks.prepare(lab)
    with shown(f"Starting lab {lab.slug}"):
        _answers(stand, lab.spec.namespace)
        if stand.cluster:
            images.bring(lab, owner(stand.cluster), stand.cluster)
        done = start(lab, stand.admin, stand.student, stand.student_name, reset=reset)
    again = "" if done.fresh else " (it stood there already; your work was left alone. --reset begins anew)"
    where = f"cluster {stand.cluster}" if stand.cluster else str(kubeconfig)
    ready = f"{lab.spec.title} is ready in {where}, namespace {lab.spec.namespace}{again}.\n"
    return f"{ready}{lacking(lab, stand)}\n{_next(lab, stand, slug)}"


def lacking(lab: LoadedLab, stand: Stand) -> str:
    """What the lab needs and this cluster was made without; a line each, or nothing."""
    if not stand.cluster:
        return ""
    its = owner(stand.cluster)
    lines = []
    extras = sorted(needs(lab) & its.extras - set(read(stand.admin).extension.get("capabilities", ())))
    options = "".join(f" --with {extra}" for extra in extras)
    if extras:
        lines.append(
            f"This cluster was made without {', '.join(extras)}, which the lab needs, so checks will be skipped."
        )
    few = lab.spec.nodes > its.default_nodes and len(Access.from_kubeconfig(stand.admin).get("/api/v1/nodes")["items"])
    if few and few < lab.spec.nodes:
        options += f" --nodes {lab.spec.nodes}"
        lines.append(f"This cluster has {few} of the {lab.spec.nodes} nodes that the lab needs.")
    if lines:
        lines.append(f"`seatrial cluster up NAME --provider {its.name}{options}` makes one that has what it takes.")
    return "".join(f"{line}\n" for line in lines)


def _answers(stand: Stand, namespace: str) -> None:
    """Ask before anything is changed. Raises ClusterUnreachable: no answer, a refused identity, or no right to look."""
    how = f"start it, or check {stand.admin}"
    if stand.cluster:
        how = f"`seatrial cluster start {stand.cluster}` runs it again, and nothing is lost"
        state = next((c.state for c in owner(stand.cluster).list() if c.name == stand.cluster), "running")
        if state == "broken":
            raise ClusterUnreachable(f"Cluster {stand.cluster} is broken, a part of it has ended; {how}.")
    try:
        Access.from_kubeconfig(stand.admin).get(f"/api/v1/namespaces/{namespace}")
    except ApiFault as fault:
        if fault.status != 404:
            raise ClusterUnreachable(f"No cluster to start the lab in: {fault}; {how}.") from None


def _next(lab: LoadedLab, stand: Stand, slug: str) -> str:
    first, named = lab.spec.tasks[0], shlex.quote(slug)
    lines = [
        f"  export KUBECONFIG={shlex.quote(str(stand.student))}",
        f"  seatrial lab show {named:<20} # the text of the lab",
        f"  seatrial grade {named} --kubeconfig {shlex.quote(str(stand.admin))}",
        "",
        f"First: {first.title} ({first.points:g} point{'s' if first.points != 1 else ''}).",
    ]
    section = task_text(lab, first.title)
    if section:
        lines += ["", *(f"  {line}".rstrip() for line in section.splitlines())]
    return "\n".join(lines) + "\n"


def task_text(lab: LoadedLab, title: str) -> str:
    """What the README says under a task's heading, without the heading."""
    kept: list[str] = []
    inside = fenced = False
    for line in lab.readme().splitlines():
        fenced ^= line.startswith("```")
        if not fenced and line.startswith("## "):
            inside = line[3:].strip() == title
        elif inside:
            kept.append(line)
    return "\n".join(kept).strip()


def _foreign(kubeconfig: Path, student: str | None) -> Stand:
    """A cluster that somebody hands in: whoever starts the lab is its student too."""
    known = read(kubeconfig).extension.get("student")
    return Stand("", kubeconfig, kubeconfig, student or (known if isinstance(known, str) else "student"))


def _only() -> str:
    names = [cluster.name for kind in providers() for cluster in provider(kind).list()]
    if len(names) == 1:
        return names[0]
    if not names:
        raise PermanentError("there is no cluster yet; make one with `seatrial cluster up NAME`")
    raise PermanentError(f"there are several clusters ({', '.join(sorted(names))}); say which with --cluster NAME")
