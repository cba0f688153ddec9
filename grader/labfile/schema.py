"""lab.yaml as pydantic models: one source for reading, validating, and the JSON Schema that editors use.

Patterns that name a Kubernetes object partially stay plain mappings here (`PartialObject`); `grader.checks` compiles
them. One module, though a long one: the kinds of checks refer to each other, and most of it is descriptions.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Strict,
    Tag,
    WithJsonSchema,
    field_validator,
    model_validator,
)

# A span of time as Kubernetes writes it: "500ms", "3s", "2m", "1h30m". In seconds once read.
_SPAN = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(text: str) -> float:
    """A span of time in seconds. Raises ValueError where the text is not one."""
    if not text or _SPAN.sub("", text):
        raise ValueError(f'"{text}" is not a span of time; write it like "500ms", "30s", "2m" or "1h30m"')
    return sum(float(number) * _SECONDS[unit] for number, unit in _SPAN.findall(text))


def _span(text: str) -> str:
    seconds(text)
    return text


# `true` is no number, "3" is none, and "yes" is neither true nor false.
Whole = Annotated[int, Strict()]
Number = Annotated[float, Strict()]
Flag = Annotated[bool, Strict()]
Span = Annotated[
    str, AfterValidator(_span), WithJsonSchema({"type": "string", "pattern": r"^(\d+(\.\d+)?(ms|s|m|h))+$"})
]
# The features of a cluster that a check or a lab can need. Providers state theirs with the same words.
Capability = Literal["pods", "metrics", "network-policy", "load-balancer", "audit", "ingress"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


def _partial(value: dict[str, Any]) -> dict[str, Any]:
    for key in ("apiVersion", "kind"):
        if not isinstance(value.get(key), str) or not value[key]:
            raise ValueError(f"a partial object needs {key} as text, to say what to look for")
    return value


_TEXT = {"type": "string", "minLength": 1}
PartialObject = Annotated[
    dict[str, Any],
    AfterValidator(_partial),
    WithJsonSchema(
        {
            "type": "object",
            "description": "As much of a Kubernetes object as matters.",
            "properties": {"apiVersion": _TEXT, "kind": _TEXT},
            "required": ["apiVersion", "kind"],
        }
    ),
]


class CheckBase(_Strict):
    """What every check has in common."""

    needs: tuple[Capability, ...] = Field((), description="Capabilities without which the check is skipped.")
    within: Span | None = Field(None, description="How long `--wait` goes on looking while the check fails.")
    hold: Span | None = Field(None, description="How long it must stay true.")
    points: Number | None = Field(None, gt=0, description="Default: an equal share of what the task has left.")
    message: str | None = Field(None, description="What the student reads when it fails.")
    hidden: Flag = Field(False, description="Counts, but the student sees only the task's title.")


class Match(CheckBase):
    """Some object contains the partial object."""

    match: PartialObject = Field(description="Some object contains this.")


class Absent(CheckBase):
    """No object contains the partial object."""

    absent: PartialObject = Field(description="No object contains this.")


class CountOf(_Strict):
    """How many objects may contain `of`."""

    of: PartialObject
    equals: Whole | None = Field(None, ge=0, description="Exactly so many.")
    at_least: Whole | None = Field(None, ge=0, description="So many or more.")
    at_most: Whole | None = Field(None, ge=0, description="So many or fewer.")

    @model_validator(mode="after")
    def _one_bound(self) -> CountOf:
        if self.equals is None and self.at_least is None and self.at_most is None:
            raise ValueError("count needs one of equals, at_least, at_most")
        if self.equals is not None and (self.at_least is not None or self.at_most is not None):
            raise ValueError("count takes either equals or a range of at_least and at_most")
        return self


class Count(CheckBase):
    """The number of objects that contain `of` is as asked."""

    count: CountOf = Field(description="How many objects contain a partial object.")


class Cel(CheckBase):
    """A boolean CEL expression over the lists that `with` brings in."""

    cel: str = Field(min_length=1, description="The expression; it gives true or false.")
    with_: dict[str, PartialObject] = Field(
        default_factory=dict,
        alias="with",
        description="Each name stands for the list of all objects that contain its partial object.",
    )


class CallPattern(_Strict):
    """An API call: every field given must be equal; a list means any of these."""

    verb: str | tuple[str, ...] | None = Field(None, description="create, get, list, patch, …; a list: any of them.")
    group: str | None = Field(None, description='The API group; "" is the core one.')
    resource: str | tuple[str, ...] | None = Field(None, description='The plural, "pods"; a list: any of them.')
    subresource: str | None = Field(None, description="exec, log, scale, …")
    namespace: str | None = Field(None, description="The namespace of the call.")
    name: str | None = Field(None, description="The object's name.")
    user_agent: str | None = Field(None, description='What the user agent begins with, "kubectl" for example.')
    succeeded: Flag | None = Field(True, description="Answered with 2xx. null: whatever the answer.")

    @model_validator(mode="after")
    def _says_something(self) -> CallPattern:
        if self.verb is None and self.resource is None:
            raise ValueError("audit needs a verb or a resource")
        return self


class Audit(CheckBase):
    """The student made such an API call since the lab began."""

    audit: CallPattern = Field(description="The student made such an API call since the lab began.")


class HttpProbe(_Strict):
    """GET `path` of a Pod, or of each ready Pod behind a Service."""

    service: str | None = Field(None, description="The Service that is asked; or say which pod.")
    pod: str | None = Field(None, description="The Pod that is asked; or say which service.")
    port: Whole | str = Field(description="The port's number or name.")
    path: str = Field("/", description="The path of the URL.")
    status: Whole | None = Field(None, description="The HTTP status of the answer.")
    contains: str | None = Field(None, description="A text in the answer.")


class TcpProbe(_Strict):
    """Connect to a port of a Pod, or of each ready Pod behind a Service."""

    service: str | None = Field(None, description="The Service that is asked; or say which pod.")
    pod: str | None = Field(None, description="The Pod that is asked; or say which service.")
    port: Whole | str = Field(description="The port's number or name.")


class DnsProbe(_Strict):
    """Look `name` up at the cluster's name server."""

    name: str = Field(description="The name that is looked up.")
    pod: str | None = Field(None, description="The Pod whose search list and policy are used.")
    resolves: Flag = Field(True, description="Whether there must be an answer.")


class ExecProbe(_Strict):
    """Run a command in a Pod's container: the student's own, so it says what the student lets it say."""

    pod: str = Field(description="The Pod's name.")
    command: tuple[str, ...] = Field(min_length=1, description="The program and its arguments; no shell.")
    container: str | None = Field(None, description="Where the Pod has several.")
    exit_code: Whole = Field(0, description="The exit code that it must have.")
    contains: str | None = Field(None, description="A text in the output.")


class LogsProbe(_Strict):
    """Read the end of a Pod's log."""

    pod: str = Field(description="The Pod's name.")
    container: str | None = Field(None, description="Where the Pod has several.")
    contains: str = Field(description="A text in the log.")


class ProbeSpec(_Strict):
    """Exactly one kind of probe."""

    http: HttpProbe | None = Field(None, description="GET a path.")
    tcp: TcpProbe | None = Field(None, description="Connect to a port.")
    dns: DnsProbe | None = Field(None, description="Look a name up.")
    exec: ExecProbe | None = Field(None, description="Run a command in a container.")
    logs: LogsProbe | None = Field(None, description="Read a container's log.")

    @model_validator(mode="after")
    def _exactly_one(self) -> ProbeSpec:
        given = [n for n in ("http", "tcp", "dns", "exec", "logs") if getattr(self, n) is not None]
        if len(given) != 1:
            raise ValueError(
                f"a probe is exactly one of http, tcp, dns, exec, logs; here: {', '.join(given) or 'none'}"
            )
        for target in (self.http, self.tcp):
            if target is not None and (target.service is None) == (target.pod is None):
                raise ValueError("a probe names either a service or a pod")
        return self


class Probe(CheckBase):
    """Something asked of real Pods."""

    probe: ProbeSpec = Field(description="Something asked of real Pods.")


class Notebook(CheckBase):
    """A nbgrader cell, by its grade_id, has all its points."""

    notebook: str = Field(min_length=1, description="The grade_id of a notebook cell that must have all its points.")


class Script(CheckBase):
    """A program in the lab's folder exits 0; its last line is the message."""

    script: str = Field(min_length=1, description="A program in the lab's folder that must exit 0.")

    @field_validator("script")
    @classmethod
    def _inside(cls, value: str) -> str:
        path = Path(value)
        if path.is_absolute() or ".." in path.parts:
            raise ValueError(f'"{value}" must be a path inside the lab\'s folder')
        return value


class AnyOf(CheckBase):
    """At least one of other checks holds."""

    any_of: tuple[Check, ...] = Field(min_length=2, description="At least one of these checks holds.")


class AllOf(CheckBase):
    """All of other checks hold."""

    all_of: tuple[Check, ...] = Field(min_length=1, description="All of these checks hold.")


CHECK_KINDS: dict[str, type[CheckBase]] = {
    "match": Match,
    "absent": Absent,
    "count": Count,
    "cel": Cel,
    "audit": Audit,
    "probe": Probe,
    "notebook": Notebook,
    "script": Script,
    "any_of": AnyOf,
    "all_of": AllOf,
}
_KIND_OF = {model: kind for kind, model in CHECK_KINDS.items()}


def kind_of(check: CheckBase) -> str:
    """The word that makes a check what it is: "match", "cel", …"""
    return _KIND_OF[type(check)]


def _discriminate(value: Any) -> str | None:
    if isinstance(value, CheckBase):
        return kind_of(value)
    if isinstance(value, dict):
        found = [kind for kind in CHECK_KINDS if kind in value]
        return found[0] if len(found) == 1 else None
    return None


Check = Annotated[
    Annotated[Match, Tag("match")]
    | Annotated[Absent, Tag("absent")]
    | Annotated[Count, Tag("count")]
    | Annotated[Cel, Tag("cel")]
    | Annotated[Audit, Tag("audit")]
    | Annotated[Probe, Tag("probe")]
    | Annotated[Notebook, Tag("notebook")]
    | Annotated[Script, Tag("script")]
    | Annotated[AnyOf, Tag("any_of")]
    | Annotated[AllOf, Tag("all_of")],
    Discriminator(
        _discriminate,
        custom_error_type="check_kind",
        custom_error_message=f"a check has exactly one of {', '.join(CHECK_KINDS)}",
    ),
]

AnyOf.model_rebuild()
AllOf.model_rebuild()

_ID = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"


class Task(_Strict):
    """One thing to do, worth points."""

    id: str = Field(pattern=_ID, max_length=63, description="Names the task in files; the student does not see it.")
    title: str = Field(min_length=1, description="What to do; the README has a section of this title.")
    points: Number = Field(1, gt=0, description="What the task is worth.")
    score: Literal["sum", "all"] = Field("sum", description="sum: each check earns its share. all: all or nothing.")
    hint: str | None = Field(None, description="Shown when the student asks for it.")
    checks: tuple[Check, ...] = Field(min_length=1, description="What must hold.")

    @model_validator(mode="after")
    def _points_add_up(self) -> Task:
        stated = [c.points for c in self.checks if c.points is not None]
        total = sum(stated)
        if total > self.points + 1e-9:
            raise ValueError(f'the checks of task "{self.id}" are worth {total:g} points, the task {self.points:g}')
        if len(stated) == len(self.checks) and abs(total - self.points) > 1e-9:
            raise ValueError(f'the checks of task "{self.id}" add up to {total:g} points, the task has {self.points:g}')
        if len(stated) < len(self.checks) and total > self.points - 1e-9:
            raise ValueError(f'the checks of task "{self.id}" that state points leave none for the others')
        return self


ParameterName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=63)]


class Parameter(_Strict):
    """A value drawn for each student."""

    choose: tuple[str | Whole | Number | Flag, ...] = Field(min_length=1, description="One of these.")


class Free(_Strict):
    """Something that the solution sets and the lab leaves to the student: `lab test` does not ask for a check of it."""

    kind: str = Field(min_length=1, description="The kind of the object.")
    name: str | None = Field(None, description="The object's name; any where it is left out.")
    path: str = Field(
        description='Where, with [] for every item: "spec.template.spec.containers[].name". "*": the object.'
    )
    why: str = Field(min_length=1, description="Why the lab leaves it open.")


class Lab(_Strict):
    """A lab. `folder` and `slug` come from where it was read; parameters are still in place as `${name}`."""

    title: str = Field(min_length=1, description="The lab's name in the catalogue.")
    summary: str = Field(min_length=1, description="What the student will be able to do, in a sentence.")
    minutes: Whole = Field(gt=0, description="How long it takes.")
    level: Literal["beginner", "intermediate", "advanced"] = Field(description="Whom it is for.")
    concepts: tuple[str, ...] = Field((), description="Words that the catalogue can be searched by.")
    decks: tuple[str, ...] = Field((), description="File names of the lectures that the lab goes with.")
    after: tuple[str, ...] = Field((), description="Slugs of the labs that come first, without their number.")
    namespace: str = Field(pattern=_ID, max_length=63, description="The student's default namespace.")
    images: tuple[str, ...] = Field((), description="Container images that the lab uses, each with a tag.")
    needs: tuple[Capability, ...] = Field((), description="Capabilities without which the lab makes no sense.")
    nodes: Whole = Field(1, ge=1, le=9, description="How many nodes the lab needs at least.")
    parameters: dict[ParameterName, Parameter] = Field(
        default_factory=dict, description="Values drawn for each student."
    )
    free: tuple[Free, ...] = Field((), description="What the solution sets and a student may do otherwise, and why.")
    tasks: tuple[Task, ...] = Field(min_length=1, description="What is to be done, in order.")

    @model_validator(mode="after")
    def _ids_differ(self) -> Lab:
        seen: set[str] = set()
        for task in self.tasks:
            if task.id in seen:
                raise ValueError(f'two tasks have the id "{task.id}"')
            seen.add(task.id)
        return self
