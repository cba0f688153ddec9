"""Bindings that bind nothing, or nobody."""

from __future__ import annotations

from grader.explain.mistakes import Scene, broken
from grader.explain.objects import at, maps, namespace, shown, text
from grader.model import Object


@broken("role-missing", "RoleBinding", "ClusterRoleBinding", written=True)
def role_missing(scene: Scene, binding: Object) -> str | None:
    """roleRef names a role that does not exist, so nothing is allowed by it."""
    kind, wanted = text(at(binding, "roleRef", "kind")), text(at(binding, "roleRef", "name"))
    space = namespace(binding) if kind == "Role" else ""
    if not wanted or not scene.relations.collected(kind, space) or scene.relations.named(kind, space, wanted):
        return None
    near = scene.instead(kind, space, wanted)
    return f"{scene.who(binding)} allows nothing: there is no {shown(kind, 20)} {shown(wanted)}{near}."


@broken("subject-missing", "RoleBinding", written=True)
def subject_missing(scene: Scene, binding: Object) -> str | None:
    """A ServiceAccount that it names does not exist."""
    for subject in maps(at(binding, "subjects")):
        space, wanted = text(subject.get("namespace")) or namespace(binding), text(subject.get("name"))
        if subject.get("kind") != "ServiceAccount" or not scene.relations.collected("ServiceAccount", space):
            continue
        if scene.relations.named("ServiceAccount", space, wanted) is None:
            near = scene.instead("ServiceAccount", space, wanted)
            account = scene.named("ServiceAccount", space, wanted)
            return f"{scene.who(binding)} allows it to nobody: there is no {account}{near}."
    return None
