"""The student did not make the API call that was asked for, or made it otherwise."""

from __future__ import annotations

from grader.explain.mistakes import uncalled
from grader.explain.objects import listed, shown
from grader.labfile.schema import CallPattern
from grader.model import Call, Evidence


def student_calls(evidence: Evidence) -> list[Call]:
    """The student's own calls, oldest first; empty where the cluster keeps no audit log."""
    return [c for c in evidence.calls or () if c.user == evidence.student]


@uncalled("call-refused")
def refused(asked: CallPattern, calls: list[Call]) -> str | None:
    """It was made, and refused."""
    made = [c for c in calls if _fits(asked, c, "verb", "resource", "subresource", "name", "namespace")]
    if not asked.succeeded or not made or made[-1].code < 300:
        return None
    return f"You asked for it ({_spoken(made[-1])}), and the API server refused with {made[-1].code}."


@uncalled("call-by-other-program")
def by_other_program(asked: CallPattern, calls: list[Call]) -> str | None:
    """It was made with another client than asked for."""
    made = [c for c in calls if _fits(asked, c, "verb", "resource", "subresource", "name", "namespace")]
    if asked.user_agent is None or not made:
        return None
    agent = shown(made[-1].user_agent.partition(" ")[0], 60) or "a client that does not say its name"
    return f"The call was made ({_spoken(made[-1])}), by {agent}; asked for is {shown(asked.user_agent, 60)}."


@uncalled("call-on-other-object")
def on_other_object(asked: CallPattern, calls: list[Call]) -> str | None:
    """The right verb and resource, on another object."""
    made = [c for c in calls if _fits(asked, c, "verb", "resource", "subresource") and c.code < 300]
    if not made or (asked.name is None and asked.namespace is None):
        return None
    return f"Your nearest call was {_spoken(made[-1])}: the name or namespace is another than asked for."


@uncalled("call-otherwise")
def otherwise(asked: CallPattern, calls: list[Call]) -> str | None:
    """The right object, by another subresource or verb."""
    made = [c for c in calls if _fits(asked, c, "resource", "name", "namespace") and c.code < 300]
    if asked.resource is None or not made:
        return None
    verbs = listed(dict.fromkeys(_verb(c) for c in made))
    return (
        f"Since the lab began you have called {verbs} on it ({_spoken(made[-1])} was the last), not what is asked for."
    )


def _fits(asked: CallPattern, call: Call, *fields: str) -> bool:
    for field in fields:
        wanted = getattr(asked, field)
        allowed = wanted if isinstance(wanted, tuple) else (wanted,)
        if wanted is not None and getattr(call, field) not in allowed:
            return False
    return asked.group is None or asked.group == call.group


def _verb(call: Call) -> str:
    return f"{call.verb} {call.subresource}".strip()


def _spoken(call: Call) -> str:
    resource = f"{call.resource}/{call.subresource}" if call.subresource else call.resource
    place = f" in {shown(call.namespace, 63)}" if call.namespace else ""
    return f"{shown(call.verb, 20)} {shown(resource, 60)} {shown(call.name)}".strip() + place
