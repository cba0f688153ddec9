"""The registry of the mistakes that an explanation knows, and what their rules are given.

A rule is a function that gives a sentence, or None where its mistake was not made. Rules are asked in the order in
which they were registered, so within a module the deepest cause stands first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from grader.checks.looking import partials
from grader.explain import objects
from grader.explain.objects import at, kind_word, name, namespace, shown, text
from grader.explain.relations import Relations
from grader.explain.selectors import nearest
from grader.labfile import LoadedLab
from grader.labfile.schema import CallPattern, ProbeSpec
from grader.model import Call, Object, Reply


@dataclass(frozen=True, slots=True)
class Look:
    """What a check looks for: a partial object, and where. `name` and `labels` are those given as plain text;
    `namespace` is "*" where any will do."""

    kind: str
    namespace: str
    name: str
    labels: dict[str, str]
    partial: dict[str, Any]
    endpoints: bool = False  # a Service that is looked for because its endpoints are asked for

    @classmethod
    def of(cls, partial: dict[str, Any], home: str) -> Look:
        """Read a partial object. `home` is the lab's namespace."""
        metadata = partial.get("metadata")
        where = at(metadata, "namespace") if isinstance(metadata, dict) and "namespace" in metadata else home
        return cls(
            kind_word(text(partial.get("apiVersion")), text(partial.get("kind"))),
            where if isinstance(where, str) else "*",
            name(partial),
            objects.labels(partial),
            partial,
        )


@dataclass(frozen=True, slots=True)
class Scene:
    """All that a rule may look at: the relations, the lab's namespace, and what the check looks for. Of the lab only
    the names that its checks ask for are read: what bears one of them is not another thing misnamed."""

    relations: Relations
    home: str
    look: Look | None = None
    lab: LoadedLab | None = None

    def who(self, obj: Object) -> str:
        """ "Service web", or "Service default/web" where that is not the lab's namespace."""
        return self.named(text(obj.get("kind")), namespace(obj), name(obj))

    def named(self, kind: str, space: str, named: str) -> str:
        """The same for an object that is only spoken of."""
        place = f"{shown(space, 63)}/" if space and space not in (self.home, "*") else ""
        return f"{shown(kind.partition('.')[0])} {place}{shown(named)}"

    def spoken_for(self) -> set[tuple[str, str]]:
        """Kind and name of everything that some check of the lab asks for."""
        tasks = self.lab.spec.tasks if self.lab else ()
        every = (Look.of(dict(p), "") for task in tasks for check in task.checks for p in partials(check))
        return {(look.kind, look.name) for look in every if look.name}

    def instead(self, kind: str, space: str, wanted: str) -> str:
        """The nearest name as the end of a sentence, "; the nearest name is web"; "" where none is like it."""
        near = nearest(wanted, [name(o) for o in self.relations.objects(kind, space)])
        return f"; the nearest name is {shown(near)}" if near else ""


Broken = Callable[[Scene, Object], str | None]
Missing = Callable[[Scene, Look], str | None]
Uncalled = Callable[[CallPattern, list[Call]], str | None]
Unanswered = Callable[[Scene, ProbeSpec, Reply], str | None]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule on an object that is not as asked. `written`: it tells of what the student wrote, so it is worth
    saying even where nothing that the cluster fills in is amiss."""

    mistake: str
    find: Broken
    written: bool


@dataclass(slots=True)
class Registry:
    """Every mistake, by what it shows itself on."""

    broken: dict[str, list[Rule]] = field(default_factory=lambda: defaultdict(list))  # by kind
    missing: dict[str, Missing] = field(default_factory=dict)  # nothing that the check looks for is there
    staying: dict[str, Broken] = field(default_factory=dict)  # something is there that should not be
    uncalled: dict[str, Uncalled] = field(default_factory=dict)  # the student did not make the call
    # A probe got no answer, or another: with a deeper cause, or with what the check's own sentence says as well.
    unanswered: dict[str, Unanswered] = field(default_factory=dict)
    replied: dict[str, Unanswered] = field(default_factory=dict)

    def names(self) -> set[str]:
        """The name of every mistake."""
        return {r.mistake for rules in self.broken.values() for r in rules} | {
            *self.missing,
            *self.staying,
            *self.uncalled,
            *self.unanswered,
            *self.replied,
        }


MISTAKES = Registry()


def broken(mistake: str, *kinds: str, written: bool = False) -> Callable[[Broken], Broken]:
    """Register a rule on objects of these kinds that are there and not as asked."""

    def register(find: Broken) -> Broken:
        for kind in kinds:
            MISTAKES.broken[kind].append(Rule(mistake, find, written))
        return find

    return register


def missing(mistake: str) -> Callable[[Missing], Missing]:
    """Register a rule on objects that are not there."""

    def register(find: Missing) -> Missing:
        MISTAKES.missing[mistake] = find
        return find

    return register


def staying(mistake: str) -> Callable[[Broken], Broken]:
    """Register a rule on objects that should be gone."""

    def register(find: Broken) -> Broken:
        MISTAKES.staying[mistake] = find
        return find

    return register


def uncalled(mistake: str) -> Callable[[Uncalled], Uncalled]:
    """Register a rule on API calls that were not made. It is given the student's calls, oldest first."""

    def register(find: Uncalled) -> Uncalled:
        MISTAKES.uncalled[mistake] = find
        return find

    return register


def unanswered(mistake: str, *, deeper: bool = False) -> Callable[[Unanswered], Unanswered]:
    """Register a rule on a probe's reply that is not as asked. Without `deeper` it says what the check's own sentence
    says, for checks whose author wrote another."""

    def register(find: Unanswered) -> Unanswered:
        (MISTAKES.unanswered if deeper else MISTAKES.replied)[mistake] = find
        return find

    return register
