"""Sentences stay short and harmless whatever stands in a cluster."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.checks.wording import clean, joined, listing, plural, shown, title

anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
)


@given(st.text(), st.integers(2, 50))
def test_clean_text_is_printable_and_bounded(text: str, limit: int) -> None:
    found = clean(text, limit)
    assert len(found) <= limit
    assert not any(c in found for c in "\x1b\n\r\t\u202e\u2066\u200b\ud800")
    assert clean(found, limit) == found


@given(anything)
def test_any_value_can_be_shown(value: Any) -> None:
    found = shown(value)
    assert len(found) <= 82
    assert "\n" not in found


def test_a_huge_value_is_cut() -> None:
    assert shown("x" * 1_000_000) == f'"{"x" * 79}…"'
    assert shown({str(i): "y" * 1000 for i in range(100_000)}).startswith('{0: "yyy')
    assert shown([1, 2, 3, 4, 5]) == "[1, 2, 3, 4, …]"


def test_deep_values_end() -> None:
    deep: Any = 1
    for _ in range(5000):
        deep = [deep]
    assert shown(deep) == "[[[[…]]]]"


def test_what_cannot_be_seen_is_left_out() -> None:
    assert clean("a\x1b[31mb\u202ec\nd") == "a[31mbc d"


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("Pod", "Pods"),
        ("Ingress", "Ingresses"),
        ("NetworkPolicy", "NetworkPolicies"),
        ("EndpointSlice", "EndpointSlices"),
        ("Endpoints", "Endpoints"),
        ("StorageClass", "StorageClasses"),
        ("Gateway", "Gateways"),
        ("Index", "Indexes"),
    ],
)
def test_plural(kind: str, more: str) -> None:
    assert plural(kind) == more


def test_titles() -> None:
    assert title({"kind": "Pod", "metadata": {"name": "a", "namespace": "b"}}) == "Pod b/a"
    assert title({"kind": "Node", "metadata": {"name": "a"}}) == "Node a"
    assert title({"kind": 3, "metadata": []}) == "object (no name)"
    name = "a" * 253
    assert title({"kind": "Pod", "metadata": {"name": name}}) == f"Pod {name}"


def test_paths() -> None:
    assert joined(["spec", "ports", 0, "targetPort"]) == "spec.ports[0].targetPort"
    assert joined(["metadata", "labels", "app.kubernetes.io/name"]) == 'metadata.labels["app.kubernetes.io/name"]'


def test_listing() -> None:
    assert [listing(list("abc")[:n]) for n in range(4)] == ["", "a", "a and b", "a, b and c"]
