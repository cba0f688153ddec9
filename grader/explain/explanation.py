"""The explanation of a failing check: which objects it is about, and the first rule that knows what is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import replace
from typing import Any, ClassVar

from grader.checks import compile as compile_partial
from grader.checks import judge
from grader.checks.probing import ERROR, UNANSWERED, lacking, replies
from grader.checks.wording import shown
from grader.explain import objects
from grader.explain.chains import causes, makers_of, state
from grader.explain.mistakes import MISTAKES, Look, Scene
from grader.explain.objects import SENTENCE_LIMIT, at, name
from grader.explain.relations import Relations
from grader.explain.rules.calls import student_calls
from grader.explain.rules.metadata import ANY
from grader.labfile import LoadedLab
from grader.labfile.schema import Absent, AllOf, AnyOf, Audit, Cel, Check, Count, Match, Probe
from grader.model import Evidence, Object, Outcome

# So many of the objects that a check looks at are looked into; the nearest come first.
_CANDIDATES = 5
# So many differences from what was asked are told, and of these kinds none, as their values may be secret.
_DIFFERENCES = 2
_UNTOLD = frozenset({"ConfigMap", "Secret"})
_SLICE, _SERVICE_OF_SLICE = "EndpointSlice", "kubernetes.io/service-name"
# What the control plane fills in beside status, by kind.
_FILLED: dict[str, tuple[tuple[str, ...], ...]] = {
    "PersistentVolumeClaim": (("spec", "volumeName"),),
    "PersistentVolume": (("spec", "claimRef"),),
    "Pod": (("spec", "nodeName"),),
    "Service": (("spec", "clusterIP"), ("spec", "clusterIPs")),
    "EndpointSlice": (("endpoints",), ("ports",)),
    "Endpoints": (("subsets",),),
}


class _Latest:
    """The index of the evidence that was asked about last: the checks of a lab are asked about one after another."""

    relations: Relations | None = None

    @classmethod
    def of(cls, evidence: Evidence) -> Relations:
        known = cls.relations
        if known is None or known.evidence is not evidence:
            known = cls.relations = Relations(evidence)
        return known


def why(check: Check, lab: LoadedLab, evidence: Evidence) -> str | None:
    """Why a failing check fails, in one or two sentences of plain text; None where there is nothing to add.

    Only what the check itself asks for and what is in the cluster is told; nothing of a hidden check or the solution.
    The text is one line without control characters, of at most `objects.SENTENCE_LIMIT` characters. Never raises for
    malformed evidence.
    """
    scene = Scene(_Latest.of(evidence), evidence.namespace, lab=lab)
    said = _explain(check, lab, scene)
    return objects.shown(said, SENTENCE_LIMIT) if said else None


def _explain(check: Check, lab: LoadedLab, scene: Scene) -> str | None:
    if check.hidden:
        return None
    said: str | None = None
    match check:
        case Match(match=partial):
            look = _look(scene, partial)
            # Without a message of the author's the check's own sentence names the difference.
            said = _lacking(look, deep=False) or (_found(look) if check.message else None)
        case Absent(absent=partial):
            said = _too_many(_look(scene, partial))
        case Count():
            said = _count(check, scene)
        case Cel(with_=named):
            said = _first(_lacking(_look(scene, p), deep=True) for p in named.values())
        case Audit(audit=asked):
            calls = student_calls(scene.relations.evidence)
            said = _first(find(asked, calls) for find in MISTAKES.uncalled.values())
        case Probe():
            said = _probe(check, scene)
        case AnyOf(any_of=checks):
            said = _first(_explain(c, lab, scene) for c in checks)
        case AllOf(all_of=checks):
            said = _first(_explain(c, lab, scene) for c in checks if _fails(c, lab, scene))
    return said


def _fails(check: Check, lab: LoadedLab, scene: Scene) -> bool:
    return judge(check, "", lab, scene.relations.evidence).outcome is Outcome.FAILED


def _first(sentences: Iterable[str | None]) -> str | None:
    return next((s for s in sentences if s), None)


def _look(scene: Scene, partial: dict[str, Any]) -> Scene:
    return replace(scene, look=Look.of(partial, scene.home))


def _count(check: Count, scene: Scene) -> str | None:
    scene, asked = _look(scene, check.count.of), check.count
    found = len(_contained(scene))
    least = asked.equals if asked.equals is not None else asked.at_least
    most = asked.equals if asked.equals is not None else asked.at_most
    if least is not None and found < least:
        return _lacking(scene, deep=True)
    return _too_many(scene) if most is not None and found > most else None


def _probe(check: Probe, scene: Scene) -> str | None:
    """A reply tells more than objects do where somebody answered; where nobody did, the objects say why."""
    found = replies(check, "", scene.relations.evidence.now)
    reply = lacking(check.probe, found) if found is not None else None
    if reply is None or reply.state == ERROR:
        return None
    said = _first(find(scene, check.probe, reply) for find in MISTAKES.unanswered.values())
    if reply.state == UNANSWERED and reply.reason not in ("external-name", "no-container"):
        said = _asked_object(check, scene) or said
    if said is None and check.message:
        said = _first(find(scene, check.probe, reply) for find in MISTAKES.replied.values())
    return said


def _asked_object(check: Probe, scene: Scene) -> str | None:
    spec = check.probe
    target = spec.http or spec.tcp
    service = target.service if target else None
    pod = target.pod if target else next((p.pod for p in (spec.exec, spec.logs, spec.dns) if p and p.pod), None)
    wanted = ("Service", service) if service else ("Pod", pod)
    partial = {"apiVersion": "v1", "kind": wanted[0], "metadata": {"name": wanted[1]}}
    return _lacking(_look(scene, partial), deep=True) if wanted[1] else None


def _candidates(scene: Scene) -> Sequence[Object]:
    """What the check looks at: the object of the name, or all of the kind, where it looks."""
    look = scene.look
    if look is None:
        return ()
    if look.name and look.namespace != "*":
        named = scene.relations.named(look.kind, look.namespace, look.name) or scene.relations.named(
            look.kind, "", look.name
        )
        return (named,) if named else ()
    every = scene.relations.everywhere(look.kind, look.namespace)
    return [o for o in every if not look.name or name(o) == look.name]


def _contained(scene: Scene) -> list[Object]:
    """The objects that contain the whole partial object."""
    asked = _Asked.of(scene.look) if scene.look else None
    return [o for o in _candidates(scene) if asked and asked.whole(o)]


def _lacking(scene: Scene, *, deep: bool) -> str | None:
    """Why what the check looks for is not there, or not as it should be. `deep`: look for causes even where nothing
    that the control plane fills in is named, as an expression or a number may mean anything."""
    look = scene.look
    if look is None or not _looked(scene, look):
        return None
    if look.kind == _SLICE and _SERVICE_OF_SLICE in look.labels:
        # The student makes the Service; its slices follow.
        return _lacking(replace(scene, look=_service_of(look)), deep=True)
    there = [o for o in _candidates(scene) if look.labels.items() <= objects.labels(o).items() or look.name]
    if not there:
        makers = makers_of(scene.relations, look.labels, look.namespace) if look.kind == "Pod" and not look.name else []
        return _first(_broken(scene, m, deep=True) for m in makers) or _missing(scene, look)
    asked = _Asked.of(look)
    as_written = [o for o in there if asked.written(o)]
    found = _first(
        _broken(scene, o, deep=deep or not all(f(o) for f in asked.filled)) for o in (as_written or there)[:_CANDIDATES]
    )
    if found is None and deep and look.kind == "Pod":
        found = _first(_broken(scene, m, deep=True) for m in _above(scene, there))
    return found


def _found(scene: Scene) -> str | None:
    """What the object of the name has where it is not as asked. What is asked, the author has said in his own words."""
    look = scene.look
    named = _candidates(scene) if look and look.name else ()
    if look is None or not named or look.kind in _UNTOLD:
        return None
    differ = [m for m in _Asked.of(look).whole.mismatches(named[0]) if not m.missing_item][:_DIFFERENCES]
    told = [f"{m.path} is {'not set' if m.found is None else shown(m.found)}" for m in differ]
    return f"{scene.who(named[0])}: {', '.join(told)}." if told else None


def _above(scene: Scene, pods: Sequence[Object]) -> list[Object]:
    """The controllers of Pods, and those of the controllers."""
    makers = {id(m): m for p in pods if (m := scene.relations.owner(p)) is not None}
    tops = {id(t): t for m in makers.values() if (t := scene.relations.owner(m)) is not None}
    return [*makers.values(), *tops.values()][:_CANDIDATES]


def _looked(scene: Scene, look: Look) -> bool:
    """Whether the kind was looked for, so that what is not in the evidence is really not there."""
    where = "" if look.namespace == "*" else look.namespace
    return look.kind in scene.relations.not_served or scene.relations.collected(look.kind, where)


def _service_of(look: Look) -> Look:
    metadata = {"name": look.labels[_SERVICE_OF_SLICE], "namespace": look.namespace}
    return replace(Look.of({"apiVersion": "v1", "kind": "Service", "metadata": metadata}, ""), endpoints=True)


def _missing(scene: Scene, look: Look) -> str | None:
    return _first(find(scene, look) for find in MISTAKES.missing.values())


def _broken(scene: Scene, root: Object, *, deep: bool) -> str | None:
    """The first rule that knows what is wrong with an object, or, where `deep`, with what it depends on."""
    for obj in causes(scene, root) if deep else [root]:
        own = obj is root
        here = scene if own else replace(scene, look=None)
        kinds = (ANY, objects.kind(obj)) if own else (objects.kind(obj),)
        known = [r for k in kinds for r in MISTAKES.broken.get(k, ()) if deep or r.written]
        said = _first(r.find(here, obj) for r in known)
        if said:
            return said if own else state(scene, root) + said
    return None


def _too_many(scene: Scene) -> str | None:
    """Why something is still there, or more of it than asked for."""
    found = _contained(scene)[:_CANDIDATES]
    claimed = [r for r in MISTAKES.broken["ReplicaSet"] if r.mistake == "pods-claimed"]
    makers = {id(m): m for o in found if (m := scene.relations.owner(o)) is not None}
    return (
        _first(
            find(scene, o)
            for o in found
            for find in MISTAKES.staying.values()
            if at(o, "metadata", "deletionTimestamp")
        )
        or _first(r.find(scene, m) for m in makers.values() for r in claimed)
        or _first(find(scene, o) for o in found for find in MISTAKES.staying.values())
    )


class _Asked:
    """A partial object in two: what a student writes, and what the control plane fills in."""

    # Compiling costs more than the rest of an explanation, and a lab's checks are asked again and again. The partial
    # object is kept beside what came of it, so that its id stays its own.
    _known: ClassVar[dict[int, tuple[dict[str, Any], _Asked]]] = {}
    _MOST = 1000

    def __init__(self, look: Look) -> None:
        paths = [p for p in (("status",), *_FILLED.get(look.kind, ())) if at(look.partial, *p) is not None]
        about = {k: look.partial[k] for k in ("apiVersion", "kind")}
        self.whole = compile_partial(look.partial)
        self.written = compile_partial(_without(look.partial, paths))
        self.filled = [compile_partial({**about, **_only(look.partial, p)}) for p in paths]

    def lacks(self, obj: Object) -> bool:
        """Whether something that the control plane fills in is not as asked."""
        return not all(filled(obj) for filled in self.filled)

    @classmethod
    def of(cls, look: Look) -> _Asked:
        known = cls._known.get(id(look.partial))
        if known is None:
            if len(cls._known) >= cls._MOST:
                cls._known.clear()
            known = cls._known[id(look.partial)] = (look.partial, cls(look))
        return known[1]


def _only(partial: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    value = at(partial, *path)
    for key in reversed(path):
        value = {key: value}
    return dict(value)


def _without(partial: dict[str, Any], paths: list[tuple[str, ...]]) -> dict[str, Any]:
    rest = copy(partial)
    for path in paths:
        inner = rest
        for key in path[:-1]:
            inner[key] = copy(inner[key])
            inner = inner[key]
        inner.pop(path[-1], None)
    return rest
