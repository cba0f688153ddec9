"""Partial objects: what holds, what does not, and what is said to differ."""

from __future__ import annotations

import copy
import itertools
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from grader import checks
from grader.checks import PatternError, mismatches
from grader.checks.bipartite import assign
from grader.checks.places import Place, place

HEAD = {"apiVersion": "example.org/v1", "kind": "Thing"}


def holds(partial: dict[str, Any], obj: dict[str, Any]) -> bool:
    return checks.compile(partial)(obj)


def told(partial: dict[str, Any], obj: dict[str, Any]) -> list[str]:
    return [str(m) for m in mismatches(partial, obj)]


# Properties ---------------------------------------------------------------------------------------------------------

keys = st.sampled_from(["a", "b", "spec", "name", "labels", "cpu", "port", "image", "limits", "emptyDir", "x.y/z"])
scalars = st.one_of(
    st.booleans(),
    st.integers(-5, 5),
    st.sampled_from(["", "x", "1", "1.0", "1000m", "1Gi", "1024Mi", "nginx:1.27", "80"]),
    st.floats(-2, 2, allow_nan=False),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(keys, inner, max_size=4)),
    max_leaves=15,
)
objects = st.dictionaries(keys, values, max_size=5).map(lambda o: {**HEAD, **o})


@given(objects)
def test_an_object_contains_itself(obj: dict[str, Any]) -> None:
    assert holds(obj, copy.deepcopy(obj))
    assert not mismatches(obj, obj)


def without(value: Any, choose: Any) -> Any:
    """The value with some fields of its maps and some items of its lists left out."""
    if isinstance(value, dict):
        return {k: without(v, choose) for k, v in value.items() if k in HEAD or choose(st.booleans())}
    if isinstance(value, list):
        return [without(v, choose) for v in value if choose(st.booleans())]
    return value


@given(objects, st.data())
def test_an_object_contains_itself_with_fields_left_out(obj: dict[str, Any], data: st.DataObject) -> None:
    partial = without(obj, data.draw)
    assert holds(partial, obj)


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    if isinstance(value, dict):
        return [p for k, v in value.items() for p in leaves(v, (*path, k))]
    if isinstance(value, list):
        return [p for i, v in enumerate(value) for p in leaves(v, (*path, i))]
    return [path]


def fits_elsewhere(value: Any, path: tuple[str | int, ...]) -> bool:
    """Whether an item on the way would also find itself in a neighbour, as {"a": False} does in {}."""
    for key in path:
        others = [*value[:key], *value[key + 1 :]] if isinstance(key, int) else []
        value = value[key]
        if any(holds({**HEAD, "a": value}, {**HEAD, "a": other}) for other in others):
            return True
    return False


@given(objects, st.data())
def test_a_changed_leaf_is_noticed_and_named(obj: dict[str, Any], data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(leaves(obj)))
    assume(not fits_elsewhere(obj, path))
    changed = copy.deepcopy(obj)
    at: Any = changed
    for key in path[:-1]:
        at = at[key]
    # What may be absent as well (false, 0, "") may stand for another item of the same list, which lacks it.
    assume(at[path[-1]] or not any(isinstance(key, int) for key in path))
    at[path[-1]] = "some other value"
    assert not holds(obj, changed)
    found = mismatches(obj, changed)
    assert found
    first = next(p for p in path if isinstance(p, str))
    assert all(m.path.startswith(first) or m.path.startswith(f'["{first}"]') for m in found)


@given(st.lists(values, max_size=6).flatmap(lambda x: st.tuples(st.just(x), st.permutations(x))))
def test_the_order_of_a_list_does_not_matter(pair: tuple[list[Any], list[Any]]) -> None:
    one, other = pair
    assert holds({**HEAD, "a": one}, {**HEAD, "a": other})
    assert holds({**HEAD, "a": {"$only": one}}, {**HEAD, "a": other})
    assert not holds({**HEAD, "a": {"$only": one}}, {**HEAD, "a": [*other, "one more"]})


@given(values, values)
def test_not_is_negation(expected: Any, found: Any) -> None:
    plain = holds({**HEAD, "b": expected}, {**HEAD, "b": found})
    assert holds({**HEAD, "b": {"$not": expected}}, {**HEAD, "b": found}) is not plain
    assert holds({**HEAD, "b": {"$not": {"$not": expected}}}, {**HEAD, "b": found}) is plain
    assert holds({**HEAD, "b": {"$not": expected}}, HEAD) is not holds({**HEAD, "b": expected}, HEAD)


@given(values, values)
def test_mismatches_are_told_exactly_where_it_does_not_hold(expected: Any, found: Any) -> None:
    partial, obj = {**HEAD, "a": expected}, {**HEAD, "a": found}
    assert bool(mismatches(partial, obj)) is not holds(partial, obj)
    assert bool(mismatches(partial, HEAD)) is not holds(partial, HEAD)


@given(st.lists(st.lists(st.booleans(), min_size=5, max_size=5), max_size=5))
def test_pairing_against_brute_force(fits: list[list[bool]]) -> None:
    found = assign(len(fits), 5, lambda i, j: fits[i][j])
    paired = [(i, j) for i, j in enumerate(found) if j is not None]
    assert all(fits[i][j] for i, j in paired)
    assert len({j for _, j in paired}) == len(paired)
    best = max(sum(fits[i][j] for i, j in enumerate(p)) for p in itertools.permutations(range(5), len(fits)))
    assert len(paired) == best


@settings(max_examples=200)
@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.integers(1, 2), max_size=3), max_size=4), st.data())
def test_lists_of_maps_against_brute_force(found: list[dict[str, int]], data: st.DataObject) -> None:
    item = st.dictionaries(st.sampled_from("abc"), st.integers(1, 2), max_size=2)
    asked = data.draw(st.lists(item, max_size=4))
    contained = any(
        all(want.items() <= got.items() for want, got in zip(asked, chosen, strict=True))
        for chosen in itertools.permutations(found, len(asked))
    )
    assert holds({**HEAD, "a": asked}, {**HEAD, "a": found}) is contained


# What means the same ------------------------------------------------------------------------------------------------

SAME = [
    ({"spec": {"limits": {"cpu": "500m"}}}, {"spec": {"limits": {"cpu": "0.5"}}}),
    ({"spec": {"limits": {"cpu": 0.5}}}, {"spec": {"limits": {"cpu": "500m"}}}),
    ({"spec": {"requests": {"cpu": 1}}}, {"spec": {"requests": {"cpu": "1"}}}),
    ({"spec": {"requests": {"nvidia.com/gpu": 2}}}, {"spec": {"requests": {"nvidia.com/gpu": "2"}}}),
    ({"spec": {"hard": {"pods": 10}}}, {"spec": {"hard": {"pods": "10"}}}),
    ({"capacity": {"storage": "1Gi"}}, {"capacity": {"storage": "1024Mi"}}),
    ({"volumes": [{"emptyDir": {"sizeLimit": "1Gi"}}]}, {"volumes": [{"emptyDir": {"sizeLimit": "1073741824"}}]}),
    ({"metric": {"target": {"value": "1k"}}}, {"metric": {"target": {"value": "1000"}}}),
    ({"spec": {"diskSize": "1Gi"}}, {"spec": {"diskSize": "1024Mi"}}),
    ({"ports": [{"port": "80"}]}, {"ports": [{"port": 80}]}),
    ({"ports": [{"targetPort": 80}]}, {"ports": [{"targetPort": "80"}]}),
    ({"backend": {"service": {"port": {"number": "80"}}}}, {"backend": {"service": {"port": {"number": 80}}}}),
    ({"a": 1}, {"a": 1.0}),
    ({"a": [{"a": 1}, {"b": 2}]}, {"a": [{"a": 1, "b": 2}, {"a": 1}]}),
    ({"a": [1, 1]}, {"a": [1, 2, 1]}),
]


@pytest.mark.parametrize(("partial", "obj"), SAME)
def test_same_meaning(partial: dict[str, Any], obj: dict[str, Any]) -> None:
    assert holds({**HEAD, **partial}, {**HEAD, **obj})


OTHER = [
    ({"metadata": {"labels": {"version": "1"}}}, {"metadata": {"labels": {"version": "1.0"}}}),
    ({"metadata": {"labels": {"size": "1Gi"}}}, {"metadata": {"labels": {"size": "1024Mi"}}}),
    ({"metadata": {"labels": {"cpu": "1"}}}, {"metadata": {"labels": {"cpu": "1000m"}}}),
    ({"metadata": {"labels": {"version": 1}}}, {"metadata": {"labels": {"version": "1"}}}),
    ({"metadata": {"annotations": {"a": "1k"}}}, {"metadata": {"annotations": {"a": "1000"}}}),
    ({"metadata": {"name": "1k"}}, {"metadata": {"name": "1000"}}),
    ({"env": [{"name": "A", "value": "1k"}]}, {"env": [{"name": "A", "value": "1000"}]}),
    ({"env": [{"name": "A", "value": 1}]}, {"env": [{"name": "A", "value": "1"}]}),
    ({"data": {"memory": "1Gi"}}, {"data": {"memory": "1024Mi"}}),
    ({"args": ["1k"]}, {"args": ["1000"]}),
    ({"command": ["sleep", "1k"]}, {"command": ["sleep", "1000"]}),
    ({"serviceName": "1e3"}, {"serviceName": "1000"}),
    ({"spec": {"release": "1.10"}}, {"spec": {"release": "1.1"}}),
    ({"image": "1.0"}, {"image": "1"}),
    ({"replicas": 3}, {"replicas": "3"}),
    ({"replicas": 1}, {"replicas": True}),
    ({"suspend": False}, {"suspend": 0}),
    ({"ports": [{"port": 1}]}, {"ports": [{"port": True}]}),
    ({"ports": [{"port": 80}]}, {"ports": [{"port": "080"}]}),
    ({"a": [1, 1]}, {"a": [1, 2]}),
    ({"a": [{"a": 1}, {"a": 1}]}, {"a": [{"a": 1, "b": 2}]}),
    ({"a": "x"}, {"a": ["x"]}),
    ({"a": ["x"]}, {"a": "x"}),
    ({"a": {}}, {"a": "x"}),
    ({"a": []}, {"a": {}}),
]


@pytest.mark.parametrize(("partial", "obj"), OTHER)
def test_other_meaning(partial: dict[str, Any], obj: dict[str, Any]) -> None:
    assert not holds({**HEAD, **partial}, {**HEAD, **obj})


# What is absent -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [False, 0, 0.0, "", []])
def test_zero_holds_where_the_field_is_absent(value: Any) -> None:
    assert holds({**HEAD, "spec": {"a": value}}, {**HEAD, "spec": {}})
    assert holds({**HEAD, "spec": {"a": value}}, {**HEAD, "spec": {"a": None}})
    assert holds({**HEAD, "spec": {"a": value}}, HEAD)


@pytest.mark.parametrize("value", [True, 1, "x", [1], [0], [{}], {"a": 1}])
def test_what_is_not_zero_does_not_hold_where_the_field_is_absent(value: Any) -> None:
    assert not holds({**HEAD, "spec": {"a": value}}, {**HEAD, "spec": {}})
    assert not holds({**HEAD, "spec": {"a": value}}, HEAD)


@pytest.mark.parametrize(
    "partial",
    [
        {"securityContext": {"allowPrivilegeEscalation": False}},
        {"automountServiceAccountToken": False},
        {"securityContext": {"runAsUser": 0}},
        {"ttlSecondsAfterFinished": 0},
        {"storageClassName": ""},
        {"volume": {"emptyDir": {}}},
        {"volume": {"emptyDir": {"medium": ""}}},
        {"from": {"podSelector": {}}},
        {"unknown": {}},
    ],
)
def test_where_absence_says_something_else(partial: dict[str, Any]) -> None:
    assert not holds({**HEAD, **partial}, HEAD)
    assert holds({**HEAD, **partial}, {**HEAD, **partial})


@pytest.mark.parametrize("field", ["labels", "nodeSelector", "data", "limits"])
def test_an_empty_map_that_the_server_drops(field: str) -> None:
    assert holds({**HEAD, "spec": {field: {}}}, {**HEAD, "spec": {}})
    assert holds({**HEAD, "spec": {field: {}}}, {**HEAD, "spec": {field: {"a": "b"}}})


def test_null_means_not_set() -> None:
    assert holds({**HEAD, "a": None}, HEAD)
    assert holds({**HEAD, "a": None}, {**HEAD, "a": None})
    assert not holds({**HEAD, "a": None}, {**HEAD, "a": ""})
    assert holds({**HEAD, "a": {"$not": None}}, {**HEAD, "a": False})
    assert not holds({**HEAD, "a": {"$not": None}}, HEAD)


def test_a_namespace_of_null_means_in_any() -> None:
    partial = {**HEAD, "metadata": {"namespace": None, "name": "web"}}
    assert holds(partial, {**HEAD, "metadata": {"namespace": "shop", "name": "web"}})
    assert not holds(partial, {**HEAD, "metadata": {"namespace": "shop", "name": "db"}})


# Operators ----------------------------------------------------------------------------------------------------------

OPERATORS = [
    ({"$regex": "^nginx:"}, ["nginx:1.27", "nginx:"], ["my-nginx:1", "", None, 3, ["nginx:1"]]),
    ({"$regex": "1\\.2[78]"}, ["nginx:1.27"], ["nginx:1x27"]),
    ({"$in": ["a", "b"]}, ["a", "b"], ["c", "", None, ["a"]]),
    ({"$in": [None, "b"]}, ["b", None], ["a"]),
    ({"$in": [{"x": 1}, {"$regex": "^a"}]}, [{"x": 1, "y": 2}, "abc"], [{"y": 2}, "b", None]),
    ({"$at_least": 2}, [2, 3, "2", "2k", 2.5], [1, "1999m", None, "x", True, [1, 2]]),
    ({"$at_most": "512Mi"}, ["0.5Gi", "1k", 0], ["513Mi", "1Gi", None, "", {}]),
    ({"$size": 2}, [[1, 2], {"a": 1, "b": 2}], [[1], None, "ab", 2]),
    ({"$size": 0}, [[], {}, None], [[1], ""]),
    ({"$size": {"$at_least": 2}}, [[1, 2], [1, 2, 3]], [[1], None]),
    ({"$only": ["a", "b"]}, [["b", "a"]], [["a"], ["a", "b", "c"], ["a", "a"], None, "a"]),
    ({"$only": []}, [[], None], [["a"], {}]),
    ({"$only": [{"a": 1}, {"$regex": "^x"}]}, [["xyz", {"a": 1, "b": 2}]], [["xyz", {"a": 2}]]),
    ({"$not": "a"}, ["b", None, 3], ["a"]),
    ({"$not": {"$in": ["a", None]}}, ["b"], ["a", None]),
    ({"$not": {"$regex": ":latest$"}}, ["nginx:1", None], ["nginx:latest"]),
    ([{"$at_least": 3}, {"$at_least": 2}], [[2, 3], [9, 9, 9]], [[2, 2], [3]]),
    ({"x": {"$not": {"y": 1}}}, [{"x": {"y": 2}}, {"x": {}}, {}], [{"x": {"y": 1, "z": 2}}]),
]


@pytest.mark.parametrize(("pattern", "good", "bad"), OPERATORS)
def test_operators(pattern: Any, good: list[Any], bad: list[Any]) -> None:
    compiled = checks.compile({**HEAD, "a": pattern})
    for value in good:
        assert compiled({**HEAD, "a": value}), value
        assert not compiled.mismatches({**HEAD, "a": value})
    for value in bad:
        assert not compiled({**HEAD, "a": value}), value
        assert compiled.mismatches({**HEAD, "a": value})
    assert {type(m).__name__ for v in bad for m in compiled.mismatches({**HEAD, "a": v})} == {"Mismatch"}


def test_every_operator_is_tried() -> None:
    tried = {k for pattern, *_ in OPERATORS if isinstance(pattern, dict) for k in pattern if k.startswith("$")}
    assert tried == set(checks.OPERATORS)


def test_counters_of_a_status_are_zero_where_they_are_absent() -> None:
    assert holds({**HEAD, "status": {"failed": {"$at_most": 2}}}, {**HEAD, "status": {}})
    assert not holds({**HEAD, "status": {"ready": {"$at_least": 1}}}, {**HEAD, "status": {}})
    assert not holds({**HEAD, "limits": {"memory": {"$at_most": "1Gi"}}}, {**HEAD, "limits": {}})


FAULTS = [
    ({"spec": {"replicas": {"$atleast": 2}}}, 'spec.replicas: unknown operator "$atleast"; did you mean "$at_least"?'),
    ({"a": {"$zzzzzz": 2}}, 'a: unknown operator "$zzzzzz"'),
    ({"a": {"$in": ["x"], "b": 1}}, 'a: the operator "$in" stands alone in its map, here with ["b"]'),
    ({"a": {"$regex": "(x"}}, "a.$regex: invalid regular expression: missing ): (x"),
    ({"a": {"$regex": r"(?=x)"}}, "a.$regex: invalid regular expression"),
    ({"a": {"$regex": 3}}, "a.$regex: takes a regular expression as text, here 3"),
    ({"a": {"$in": "x"}}, 'a.$in: takes a list, here "x"'),
    ({"a": {"$in": []}}, "a.$in: takes a list of at least one value"),
    ({"a": {"$only": {"b": 1}}}, "a.$only: takes a list, here {b: 1}"),
    ({"a": {"$at_most": "many"}}, 'a.$at_most: takes a number or a quantity such as "500m", here "many"'),
    ({"a": {"$size": -1}}, "a.$size: takes a number of items"),
    ({"a": {"$size": True}}, "a.$size: takes a number of items"),
    ({"a": [{"b": {"$not": {"$oops": 1}}}]}, 'a[0].b.$not: unknown operator "$oops"'),
    ({"a": {1: 2}}, "a: the key 1 is not text"),
]


@pytest.mark.parametrize(("partial", "sentence"), FAULTS)
def test_faults_of_the_author(partial: dict[str, Any], sentence: str) -> None:
    with pytest.raises(PatternError) as caught:
        checks.compile({**HEAD, **partial})
    assert str(caught.value).startswith(sentence)


def test_a_regular_expression_that_backtracks_ends() -> None:
    # Python's own would take longer than the universe is old.
    compiled = checks.compile({**HEAD, "a": {"$regex": "^(a+)+$"}})
    assert not compiled({**HEAD, "a": "a" * 100_000 + "b"})
    assert compiled({**HEAD, "a": "a" * 100_000})


# What is told -------------------------------------------------------------------------------------------------------

POD = {"containers": [{"name": "web", "image": "nginx:1.26"}, {"name": "log", "image": "fluent:1"}]}
TOLD = [
    ({"spec": {"replicas": 3}}, {"spec": {"replicas": 1}}, ["spec.replicas is 1, expected 3"]),
    (
        {"spec": {"selector": {"app": "web"}}},
        {"spec": {"selector": {"app": "wbe"}}},
        ['spec.selector.app is "wbe", expected "web"'],
    ),
    ({"spec": {"replicas": 3}}, {}, ["spec.replicas is not set, expected 3"]),
    ({"a": None}, {"a": "x"}, ['a is "x", expected it not to be set']),
    ({"a": {"$not": None}}, {}, ["a is not set, expected it to be set"]),
    ({"a": {"$not": "x"}}, {"a": "x"}, ['a is "x", expected not "x"']),
    ({"a": {"$in": ["x", "y"]}}, {"a": "z"}, ['a is "z", expected "x" or "y"']),
    ({"a": {"$at_least": 2}}, {"a": 1}, ["a is 1, expected at least 2"]),
    ({"a": {"$at_most": "1Gi"}}, {"a": "2Gi"}, ['a is "2Gi", expected at most 1Gi']),
    ({"a": {"$size": 2}}, {"a": [1]}, ["the number of items in a is 1, expected 2"]),
    ({"a": {"$only": [1]}}, {"a": [1, 2]}, ["a[1] is 2, expected it not to be there"]),
    ({"a": {"$regex": "^x"}}, {"a": "y"}, ['a is "y", expected something that matches "^x"']),
    ({"args": ["a", "b"]}, {"args": ["a", "c"]}, ['args has no item "b"']),
    ({"a": [{"b": 1}]}, {}, ["a has no item {b: 1}"]),
    ({"a": {"emptyDir": {}}}, {"a": {}}, ["a.emptyDir is not set, expected {}"]),
    ({"metadata": {"labels": {"a.b/c": "d"}}}, {}, ['metadata.labels["a.b/c"] is not set, expected "d"']),
    (
        {"containers": [{"name": "web", "image": "nginx:1.27"}]},
        POD,
        ['containers[0].image is "nginx:1.26", expected "nginx:1.27"'],
    ),
    (
        {"containers": [{"name": "log", "image": "nginx:1.27"}]},
        POD,
        ['containers[1].image is "fluent:1", expected "nginx:1.27"'],
    ),
    ({"containers": [{"name": "db", "image": "pg"}]}, POD, ['containers has no item {name: "db", image: "pg"}']),
]


@pytest.mark.parametrize(("partial", "obj", "sentences"), TOLD)
def test_sentences(partial: dict[str, Any], obj: dict[str, Any], sentences: list[str]) -> None:
    assert told({**HEAD, **partial}, {**HEAD, **obj}) == sentences


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (("spec", "template", "spec", "containers", "resources", "limits", "cpu"), Place.AMOUNT),
        (("spec", "limits", "max", "memory"), Place.AMOUNT),
        (("spec", "metrics", "resource", "target", "averageValue"), Place.AMOUNT),
        (("spec", "ports", "targetPort"), Place.NUMBER_OR_NAME),
        (("spec", "strategy", "rollingUpdate", "maxSurge"), Place.NUMBER_OR_NAME),
        (("spec", "selector", "matchLabels", "memory"), Place.EXACT),
        (("spec", "tolerations", "value"), Place.EXACT),
        (("spec", "serviceAccountName"), Place.EXACT),
        (("spec", "anything"), Place.OPEN),
        ((), Place.OPEN),
    ],
)
def test_places(path: tuple[str | int, ...], expected: Place) -> None:
    assert place(path) is expected
