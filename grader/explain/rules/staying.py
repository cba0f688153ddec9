"""Something is there that should not be, or there is more of it than asked for."""

from __future__ import annotations

from grader.explain import objects
from grader.explain.mistakes import Scene, staying
from grader.explain.objects import at, kind, listed, name, namespace, text, words
from grader.explain.rules.scheduling import claims_of
from grader.explain.selectors import selects
from grader.model import Object

_PROTECTED = {"kubernetes.io/pvc-protection": "Pod", "kubernetes.io/pv-protection": "claim"}


@staying("still-in-use")
def still_in_use(scene: Scene, obj: Object) -> str | None:
    """A claim or volume that is in use is deleted only after its use."""
    if not _going(obj) or not any(f in _PROTECTED for f in _finalizers(obj)):
        return None
    if kind(obj) == "PersistentVolumeClaim":
        users = [p for p in scene.relations.live_pods(namespace(obj)) if name(obj) in claims_of(p)]
        by = scene.who(users[0]) if users else ""
    else:
        reference = at(obj, "spec", "claimRef")
        by = (
            scene.named("PersistentVolumeClaim", text(at(reference, "namespace")), text(at(reference, "name")))
            if reference
            else ""
        )
    return f"{scene.who(obj)} is being deleted, and goes once {by} no longer uses it." if by else None


@staying("finalizer")
def finalizer(scene: Scene, obj: Object) -> str | None:
    """A finalizer that nobody takes off holds it."""
    if not _going(obj) or not _finalizers(obj):
        return None
    return f"{scene.who(obj)} is being deleted, and stays until its finalizer {listed(_finalizers(obj))} is taken off."


@staying("going")
def going(scene: Scene, obj: Object) -> str | None:
    """It has its grace period."""
    if not _going(obj):
        return None
    return f"{scene.who(obj)} is being deleted and has not ended yet: look again in a moment."


@staying("comes-back")
def comes_back(scene: Scene, obj: Object) -> str | None:
    """Its controller makes it again."""
    owner = objects.controller(obj)
    if owner is None:
        return None
    made = scene.relations.owner(obj)
    above = objects.controller(made) if made is not None else None
    top = above or owner
    maker = scene.named(text(owner.get("kind")), namespace(obj), text(owner.get("name")))
    source = f" (of {scene.named(text(top.get('kind')), namespace(obj), text(top.get('name')))})" if above else ""
    return f"{scene.who(obj)} belongs to {maker}{source}, which makes a new one whenever one is deleted."


@staying("left-alone")
def left_alone(scene: Scene, obj: Object) -> str | None:
    """A Pod that no controller owns, among Pods that one does: relabelled, or orphaned by its controller's deletion."""
    if kind(obj) != "Pod" or objects.controller(obj) is not None:
        return None
    for pod in scene.relations.live_pods(namespace(obj)):
        owner = objects.controller(pod)
        shared = objects.labels(pod).items() & objects.labels(obj).items()
        if owner is not None and shared:
            maker = scene.relations.owner(pod)
            lost = (
                ""
                if maker is None or selects(at(maker, "spec", "selector"), objects.labels(obj))
                else ", whose selector it does not match"
            )
            which = scene.named(text(owner.get("kind")), namespace(pod), text(owner.get("name")))
            unlike = f"unlike the Pods of {which}{lost}"
            return f"{scene.who(obj)} belongs to no controller, {unlike}: nothing removes it but you."
    return None


@staying("orphaned")
def orphaned(scene: Scene, obj: Object) -> str | None:
    """Its owner is gone and left it behind."""
    if kind(obj) not in ("Pod", "ReplicaSet") or objects.owners(obj) or not _looks_made(obj):
        return None
    return f"{scene.who(obj)} was left behind when its controller was deleted: it has no owner now."


def _looks_made(obj: Object) -> bool:
    return bool({"pod-template-hash", "controller-revision-hash", "job-name"} & objects.labels(obj).keys()) or bool(
        text(at(obj, "metadata", "generateName"))
    )


def _going(obj: Object) -> bool:
    return bool(text(at(obj, "metadata", "deletionTimestamp")))


def _finalizers(obj: Object) -> list[str]:
    return words(at(obj, "metadata", "finalizers"))
