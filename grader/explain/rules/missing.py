"""Nothing is there that the check looks for."""

from __future__ import annotations

from grader.explain import objects
from grader.explain.mistakes import Look, Scene, missing
from grader.explain.objects import at, condition, label_list, listed, name, namespace, pairs, shown, text
from grader.explain.rules.calls import student_calls
from grader.explain.selectors import nearest, nearest_labels
from grader.model import Call

# Kinds that are taken for one another. A Service and a Deployment of one name are no mistake, so they are not here.
_FAMILIES = (
    (
        "Pod",
        "Deployment",
        "ReplicaSet",
        "ReplicationController",
        "StatefulSet",
        "DaemonSet",
        "Job",
        "CronJob",
    ),
    ("ConfigMap", "Secret"),
    ("PersistentVolume", "PersistentVolumeClaim"),
    ("Role", "ClusterRole"),
    ("RoleBinding", "ClusterRoleBinding"),
    ("ResourceQuota", "LimitRange"),
)
# What every namespace has without anybody's doing.
_GIVEN = {
    "ConfigMap": ("kube-root-ca.crt",),
    "ServiceAccount": ("default",),
    "Service": ("kubernetes",),
}


@missing("kind-unknown")
def kind_unknown(scene: Scene, look: Look) -> str | None:
    """The CustomResourceDefinition is not there."""
    if look.kind not in scene.relations.not_served:
        return None
    version, kind = shown(look.partial.get("apiVersion")), shown(look.partial.get("kind"))
    if "." in look.kind:
        return f"This cluster does not know the kind {kind} of {version}: is its CustomResourceDefinition applied?"
    return f"This cluster does not serve the kind {kind} of {version}."


@missing("namespace-gone")
def namespace_gone(scene: Scene, look: Look) -> str | None:
    """The namespace was deleted, or was never made."""
    space = look.namespace
    known = scene.relations.collected("Namespace", "")
    # A cluster that lists no namespace at all was not really asked.
    if space == "*" or not known or not scene.relations.objects("Namespace", "") or _cluster_scoped(scene, look):
        return None
    if scene.relations.named("Namespace", "", space) is not None:
        return None
    if space == scene.home:
        return f"Namespace {shown(space)} is gone, with everything that was in it: start the lab again to get it back."
    near = nearest(
        space, [name(n) for n in scene.relations.objects("Namespace", "") if scene.relations.the_students(name(n))]
    )
    return f"There is no Namespace {shown(space)}{f'; the nearest name is {shown(near)}' if near else ''}."


@missing("namespace-terminating")
def namespace_terminating(scene: Scene, look: Look) -> str | None:
    """The namespace is being deleted, so nothing can be made in it."""
    space = scene.relations.named("Namespace", "", look.namespace)
    if space is None or not text(at(space, "metadata", "deletionTimestamp")):
        return None
    left = condition(space, "NamespaceFinalizersRemaining")
    waits = f" It waits: {shown(left.get('message'), 160).rstrip('.')}." if left.get("status") == "True" else ""
    return f"Namespace {shown(look.namespace)} is being deleted, and nothing can be made in it.{waits}"


@missing("other-namespace")
def other_namespace(scene: Scene, look: Look) -> str | None:
    """The object is there, in a namespace where the check does not look."""
    if not look.name or look.namespace == "*":
        return None
    elsewhere = [
        namespace(o)
        for o in scene.relations.objects(look.kind, "*")
        if name(o) == look.name and namespace(o) and not objects.controller(o)
    ]
    if not elsewhere or look.name in _GIVEN.get(look.kind, ()):
        return None
    return (
        f"{_kind(look)} {shown(look.name)} is in Namespace {listed(elsewhere)}; it belongs in {shown(look.namespace)}."
    )


@missing("controllers-pod")
def controllers_pod(scene: Scene, look: Look) -> str | None:
    """A controller made Pods of that name and a suffix, where a Pod of its own was asked for."""
    if look.kind != "Pod" or not look.name:
        return None
    for pod in scene.relations.objects("Pod", look.namespace):
        owner = objects.controller(pod)
        if owner is not None and name(pod).startswith(f"{look.name}-"):
            maker = scene.named(text(owner.get("kind")), namespace(pod), text(owner.get("name")))
            wanted = f"a Pod of its own, named just {shown(look.name)}"
            return f"Pod {shown(name(pod))} was made by {maker}; asked for is {wanted}."
    return None


@missing("other-kind")
def other_kind(scene: Scene, look: Look) -> str | None:
    """Something of that name is there, and is of another kind."""
    family = next((f for f in _FAMILIES if look.kind in f), ())
    for other in family if look.name else ():
        if other == look.kind:
            continue
        for space in {look.namespace, ""}:
            if scene.relations.named(other, space, look.name) is not None:
                return f"{shown(look.name)} is a {other} here; asked for is a {_kind(look)}."
    return None


@missing("deleted-again")
def deleted_again(scene: Scene, look: Look) -> str | None:
    """The student deleted it. (A call that repeats another is kept once, so the order says nothing.)"""
    if not any(c.verb == "delete" and c.code < 300 and c.name for c in _calls_on(scene, look)):
        return None
    return f"{_kind(look)} {shown(look.name)} is not there any more: you deleted it."


@missing("service-not-made")
def service_not_made(scene: Scene, look: Look) -> str | None:
    """Endpoints are asked for, and there is no Service whose they could be."""
    if not look.endpoints:
        return None
    near = nearest(look.name, _names(scene, look))
    hint = f"; the nearest name is {shown(near)}" if near else ""
    return f"There is no {scene.named('Service', look.namespace, look.name)} yet, whose endpoints these would be{hint}."


@missing("near-name")
def near_name(scene: Scene, look: Look) -> str | None:
    """Nearly the right name was given."""
    near = nearest(look.name, _names(scene, look)) if look.name else None
    return f"No {_kind(look)} is named {shown(look.name)}; the nearest name is {shown(near)}." if near else None


@missing("label-as-annotation")
def label_as_annotation(scene: Scene, look: Look) -> str | None:
    """The pair was written among the annotations."""
    for obj in _candidates(scene, look):
        for key, value in look.labels.items():
            if objects.labels(obj).get(key) != value and pairs(at(obj, "metadata", "annotations")).get(key) == value:
                return f"{scene.who(obj)} has {label_list({key: value})} as an annotation, not as a label."
    return None


@missing("quota-used-up")
def quota_used_up(scene: Scene, look: Look) -> str | None:
    """A ResourceQuota leaves no room for another object of the kind. The API server tells it only to who asks."""
    word = {"Pod": "pods", "PersistentVolumeClaim": "persistentvolumeclaims", "Service": "services"}.get(look.kind)
    for quota in scene.relations.objects("ResourceQuota", look.namespace) if word else ():
        hard, used = (pairs(at(quota, "status", part)) for part in ("hard", "used"))
        for key in (word or "", f"count/{word}"):
            if key in hard and hard[key] == used.get(key):
                return (
                    f"{scene.who(quota)} allows {shown(hard[key])} {key} here and {shown(used[key])} are used, "
                    "so the API server refuses another."
                )
    return None


@missing("create-refused")
def create_refused(scene: Scene, look: Look) -> str | None:
    """The student tried to make it, and the API server said no."""
    tries = [c for c in _calls_on(scene, look) if c.verb == "create"]
    if not tries or any(c.code < 400 for c in tries):
        return None
    reason = {
        403: "forbidden: by a policy, a quota, or because you may not do that",
        404: "not found",
        422: "the manifest is invalid",
    }.get(tries[-1].code, "refused")
    return (
        f"Your try to make {_kind(look)} {shown(look.name)} was answered with {tries[-1].code} ({reason}); "
        "kubectl printed the reason."
    )


@missing("near-labels")
def near_labels(scene: Scene, look: Look) -> str | None:
    """Objects of the kind are there, with other labels."""
    if not look.labels or look.name:
        return None
    candidates = _candidates(scene, look)
    if any(all(objects.labels(o).get(k) == v for k, v in look.labels.items()) for o in candidates):
        return None
    found = nearest_labels(look.labels, candidates)
    if found is None:
        bare = f"; {scene.who(candidates[0])} has none" if candidates else ""
        return f"No {_kind(look)} has the labels {label_list(look.labels)}{bare}." if candidates else None
    return (
        f"No {_kind(look)} has the labels {label_list(look.labels)}; {scene.who(found[0])} has {label_list(found[1])}."
    )


def _names(scene: Scene, look: Look) -> list[str]:
    """The names that may be meant for the one that is asked for: of objects made by hand that nothing else asks for."""
    taken = scene.spoken_for()
    return [
        name(o)
        for o in scene.relations.everywhere(look.kind, look.namespace)
        if not objects.controller(o) and name(o) not in _GIVEN.get(look.kind, ()) and (look.kind, name(o)) not in taken
    ]


def _candidates(scene: Scene, look: Look) -> list[dict[str, object]]:
    return [o for o in scene.relations.everywhere(look.kind, look.namespace) if not look.name or name(o) == look.name][
        :200
    ]


def _calls_on(scene: Scene, look: Look) -> list[Call]:
    """The student's calls on what is looked for. A refusal by authorisation bears no name, as the body was not read."""
    group, _, _ = text(look.partial.get("apiVersion")).rpartition("/")
    resource = _resource(look.kind.partition(".")[0])
    return [
        c
        for c in (student_calls(scene.relations.evidence) if look.name else ())
        if c.resource == resource
        and c.group == group
        and not c.subresource
        and (c.name == look.name or (not c.name and c.verb == "create" and c.code >= 400))
        and (look.namespace in (c.namespace, "*") or not c.namespace)
    ]


def _resource(kind: str) -> str:
    low = kind.casefold()
    if low.endswith(("s", "x", "ch")):
        return f"{low}es"
    if low.endswith("y") and low[-2:-1] not in ("a", "e", "o"):
        return f"{low[:-1]}ies"
    return f"{low}s"


def _cluster_scoped(scene: Scene, look: Look) -> bool:
    """Whether the kind has no namespaces, as far as the evidence shows."""
    return any(
        one.namespace == "" and one.kind == look.partial.get("kind") for one in scene.relations.evidence.now.lists
    )


def _kind(look: Look) -> str:
    return shown(look.kind.partition(".")[0])
