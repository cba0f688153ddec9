"""The cluster's own relations in one look of an Evidence: who owns whom, what a selector selects, what befell what."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property

from grader.explain import objects
from grader.explain.objects import at, kind, kind_word, maps, name, namespace, text, uid
from grader.explain.selectors import selects
from grader.model import Evidence, Object

# The platform's and the cluster's own namespaces: nothing in them is the student's work, or for the student to read.
_NOT_THE_STUDENTS = ("kube-", "seatrial-", "kwok-")


class Relations:
    """An index over the last look. Each part is made once, when first asked for, in time linear in the objects."""

    def __init__(self, evidence: Evidence) -> None:
        """Keep the evidence; read nothing yet."""
        self.evidence = evidence

    @cached_property
    def _lists(self) -> dict[str, dict[str, list[Object]]]:
        """Kind -> namespace ("" for cluster-scoped) -> objects."""
        found: dict[str, dict[str, list[Object]]] = defaultdict(lambda: defaultdict(list))
        seen: set[tuple[str, str, str]] = set()
        for one in self.evidence.now.lists:
            word = kind_word(text(one.api_version), text(one.kind))
            for item in maps(one.items):
                key = (word, namespace(item), name(item))
                if key not in seen and name(item):
                    seen.add(key)
                    found[word][namespace(item)].append(item)
        return found

    @cached_property
    def _collected(self) -> set[tuple[str, str]]:
        """Which lists were taken, as (kind, namespace); "" stands for every namespace."""
        return {
            (kind_word(text(one.api_version), text(one.kind)), "" if one.namespace == "*" else text(one.namespace))
            for one in self.evidence.now.lists
            if one.served and one.error is None
        }

    @cached_property
    def not_served(self) -> set[str]:
        """The kinds that this cluster does not know."""
        return {kind_word(text(one.api_version), text(one.kind)) for one in self.evidence.now.lists if not one.served}

    def collected(self, kind: str, namespace: str) -> bool:
        """Whether a missing object is really missing, rather than not looked for."""
        return (kind, namespace) in self._collected or (kind, "") in self._collected

    def objects(self, kind: str, namespace: str) -> Sequence[Object]:
        """The objects of a kind in a namespace: "" for cluster-scoped kinds, "*" for wherever the student works."""
        if namespace == "*":
            return [o for space, some in self._lists.get(kind, {}).items() if self.the_students(space) for o in some]
        return self._lists.get(kind, {}).get(namespace, ())

    def everywhere(self, kind: str, namespace: str) -> Sequence[Object]:
        """The objects of a kind in a namespace, or, where the kind is cluster-scoped, all of them."""
        return self.objects(kind, namespace) or self.objects(kind, "")

    def the_students(self, namespace: str) -> bool:
        """Whether a namespace is one where a student works."""
        return not namespace.startswith(_NOT_THE_STUDENTS)

    def named(self, kind: str, namespace: str, name: str) -> Object | None:
        """The object of that name, or None."""
        return self._names.get((kind, namespace, name))

    @cached_property
    def _names(self) -> dict[tuple[str, str, str], Object]:
        return {
            (word, space, name(o)): o
            for word, spaces in self._lists.items()
            for space, some in spaces.items()
            for o in some
        }

    @cached_property
    def _children(self) -> dict[str, list[Object]]:
        found: dict[str, list[Object]] = defaultdict(list)
        for spaces in self._lists.values():
            for some in spaces.values():
                for item in some:
                    for owner in maps(at(item, "metadata", "ownerReferences")):
                        found[text(owner.get("uid"))].append(item)
        return found

    def children(self, obj: Object, kind_of_child: str) -> list[Object]:
        """The objects of a kind that name `obj` as an owner."""
        return [o for o in self._children.get(uid(obj), ()) if kind(o) == kind_of_child] if uid(obj) else []

    def owner(self, obj: Object) -> Object | None:
        """The controller that an object's owner references name, where it was collected."""
        reference = objects.controller(obj)
        if reference is None:
            return None
        word = kind_word(text(reference.get("apiVersion")), text(reference.get("kind")))
        return self.named(word, namespace(obj), text(reference.get("name")))

    @cached_property
    def _events(self) -> dict[tuple[str, str, str], list[Object]]:
        found: dict[tuple[str, str, str], list[Object]] = defaultdict(list)
        for some in self._lists.get("Event", {}).values():
            for event in some:
                about = event.get("involvedObject") or event.get("regarding")
                found[(text(at(about, "kind")), text(at(about, "namespace")), text(at(about, "name")))].append(event)
        for befell in found.values():
            befell.sort(key=_when)
        return found

    def events(self, obj: Object, *reasons: str) -> list[Object]:
        """The events about an object with one of these reasons, newest last. Those of an earlier object of the same
        name, deleted since, are left out."""
        befell = self.events_about(text(obj.get("kind")), namespace(obj), name(obj), *reasons)
        return [e for e in befell if text(at(e, "involvedObject", "uid")) in ("", uid(obj))]

    def events_about(self, kind: str, namespace: str, name: str, *reasons: str) -> list[Object]:
        """The same for an object that was not collected."""
        return [e for e in self._events.get((kind, namespace, name), ()) if e.get("reason") in reasons]

    def selected(self, selector: object, namespace: str) -> list[Object]:
        """The Pods of a namespace that a selector selects and that have not ended."""
        return [p for p in self.live_pods(namespace) if selects(selector, objects.labels(p))]

    def live_pods(self, namespace: str) -> list[Object]:
        """The Pods of a namespace that have not ended."""
        return [p for p in self.objects("Pod", namespace) if at(p, "status", "phase") not in ("Succeeded", "Failed")]


def _when(event: Object) -> str:
    series = at(event, "series", "lastObservedTime")
    return text(event.get("lastTimestamp")) or text(series) or text(event.get("eventTime"))
