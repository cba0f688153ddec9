"""Whatever an evidence holds, an explanation is None or one bounded line."""

from __future__ import annotations

import copy
import unicodedata
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from grader.explain import why
from grader.explain.objects import SENTENCE_LIMIT
from grader.labfile.schema import Check, CheckBase
from grader.model import Call, Evidence, ObjectList
from tests.grader.explain.evidences import lab, of_lists

_CHECK: TypeAdapter[CheckBase] = TypeAdapter(Check)
_HOSTILE = ("\x1b[31mred", "\u202egnirts", "a\nb\r\nc", "x" * 1_000_000, "\x00", "{}", "", "web", "True", "\ud800")
# Marks that turn the direction of writing.
_TURNING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=True),
    st.sampled_from(_HOSTILE),
    st.text(max_size=5),
)
_junk = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5) | st.sampled_from(("name", "kind", "uid")), inner, max_size=3)
    ),
    max_leaves=6,
)
_LAB = lab({"match": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}})
_TEMPLATES = yaml.safe_load((Path(__file__).parent / "broken-namespace.yaml").read_text())
_KINDS = sorted({(o["apiVersion"], o["kind"]) for o in _TEMPLATES})


def _paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return (
        [at, *(path for key, v in inner for path in _paths(v, (*at, key)))]
        if at
        else [p for k, v in inner for p in _paths(v, (k,))]
    )


_PLACES = [
    (i, path) for i, o in enumerate(_TEMPLATES) for path in _paths(o) if path not in (("apiVersion",), ("kind",))
]


def _spoil(objects: list[Any], place: tuple[int, tuple[Any, ...]], value: Any) -> None:
    """Put something else at a place, where an earlier spoiling has left the place there."""
    around = objects[place[0]]
    for key in place[1][:-1]:
        try:
            around = around[key]
        except (KeyError, IndexError, TypeError):
            return
    if isinstance(around, dict) or (
        isinstance(around, list) and isinstance(place[1][-1], int) and place[1][-1] < len(around)
    ):
        around[place[1][-1]] = value


@st.composite
def _evidences(draw: st.DrawFn) -> Evidence:
    objects: list[Any] = copy.deepcopy(_TEMPLATES)
    for place, value in draw(st.lists(st.tuples(st.sampled_from(_PLACES), _junk), max_size=12)):
        _spoil(objects, place, value)
    dropped = draw(st.sets(st.sampled_from(range(len(objects))), max_size=25))
    lists = []
    for api_version, kind in _KINDS:
        items = [o for i, o in enumerate(objects) if i not in dropped and _TEMPLATES[i]["kind"] == kind]
        lists.append(
            ObjectList(
                api_version,
                kind,
                draw(st.sampled_from(("shop", "*", ""))),
                [*items, *draw(st.lists(_junk, max_size=1))],
            )
        )
    words = st.sampled_from(("", "create", "patch", "configmaps", "pods", "web", "shop", "ada", *_HOSTILE))
    calls = st.lists(
        st.builds(
            Call,
            words,
            st.just("ada"),
            words,
            st.just(""),
            words,
            words,
            words,
            words,
            words,
            st.sampled_from((0, 201, 403)),
        ),
        max_size=4,
    )
    return of_lists(lists, calls=draw(st.none() | calls))


@st.composite
def _checks(draw: st.DrawFn) -> CheckBase:
    api_version, kind = draw(st.sampled_from(_KINDS))
    names = st.sampled_from(("web", "web-1", "a", "d", "data", "nothing", "db", "pv", "held"))
    partial: dict[str, Any] = {"apiVersion": api_version, "kind": kind}
    metadata: dict[str, Any] = {}
    if draw(st.booleans()):
        metadata["name"] = draw(names)
    if draw(st.booleans()):
        metadata["labels"] = {"app": draw(names)}
    if draw(st.booleans()):
        metadata["namespace"] = draw(st.sampled_from(("shop", "default", None)))
    partial |= {"metadata": metadata} if metadata else {}
    partial |= draw(
        st.sampled_from(({}, {"status": {"phase": "Running"}}, {"spec": {"replicas": 9}}, {"data": {"color": "red"}}))
    )
    shape = draw(st.integers(0, 5))
    inner: list[dict[str, Any]] = [{"match": partial}, {"absent": partial}]
    return _CHECK.validate_python(
        (
            inner[0],
            inner[1],
            {"count": {"of": partial, "equals": draw(st.integers(0, 9))}},
            {"cel": "false", "with": {"some": partial}},
            {"any_of": inner},
            {"audit": {"verb": "create", "resource": "configmaps", "name": draw(names), "user_agent": "curl"}},
        )[shape]
    )


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(check=_checks(), seen=_evidences())
def test_why_gives_none_or_a_bounded_line(check: CheckBase, seen: Evidence) -> None:
    said = why(check, _LAB, seen)
    if said is not None:
        assert 0 < len(said) <= SENTENCE_LIMIT
        assert not any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") or c in _TURNING for c in said)
        assert why(check, _LAB, seen) == said
