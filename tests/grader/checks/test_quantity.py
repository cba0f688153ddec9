"""Quantities against an independent reading of them, and against each other."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubernetes.utils.quantity import parse_quantity

from grader.checks.quantity import has_unit, parse

SUFFIXES = ["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"]
numbers = st.builds(
    lambda sign, whole, part: f"{sign}{whole}{part}",
    st.sampled_from(["", "-", "+"]),
    st.integers(0, 10**9).map(str),
    st.one_of(st.just(""), st.integers(0, 10**6).map(lambda n: f".{n}")),
)


@given(numbers, st.sampled_from(SUFFIXES))
def test_same_as_the_kubernetes_client(number: str, suffix: str) -> None:
    oracle: Decimal = parse_quantity(number + suffix)
    # The client multiplies Decimals of 28 digits; what it cannot hold exactly is compared to its precision.
    found = parse(number + suffix)
    assert found is not None
    assert abs(found - Fraction(oracle)) <= abs(found) * Fraction(1, 10**25)


@given(st.integers(-(10**6), 10**6), st.integers(0, 5))
def test_spellings_of_one_amount(value: int, power: int) -> None:
    assert parse(f"{value}m") == Fraction(value, 1000) == parse(f"{value}e-3") == parse(f"{value}E-3")
    binary, decimal = ["", "Ki", "Mi", "Gi", "Ti", "Pi"][power], ["", "k", "M", "G", "T", "P"][power]
    assert parse(f"{value}{binary}") == value * 1024**power
    assert parse(f"{value}{decimal}") == value * 1000**power == parse(f"{value}e{3 * power}")


@given(st.integers(-(10**9), 10**9), st.integers(-(10**9), 10**9), st.sampled_from(SUFFIXES))
def test_order(one: int, other: int, suffix: str) -> None:
    left, right = parse(f"{one}{suffix}"), parse(f"{other}{suffix}")
    assert left is not None
    assert right is not None
    assert (left < right) == (one < other)


@pytest.mark.parametrize("text", ["1.", ".5", "+3", "1E", "1e3", "12e-7", "0"])
def test_odd_but_right(text: str) -> None:
    assert parse(text) is not None


@pytest.mark.parametrize(
    "value",
    [
        "",
        "m",
        "1K",
        "1 Gi",
        " 1",
        "1\n",
        "1mi",
        "0x10",
        "1_000",
        "١",
        "nan",
        "inf",
        "1e",
        "1e3k",
        ".",
        None,
        True,
        [],
        {},
    ],
)
def test_not_a_quantity(value: object) -> None:
    assert parse(value) is None


@pytest.mark.parametrize(
    "value", ["9" * 1_000_000, "1e999999999", "1e-999", "0." + "0" * 5000 + "1", float("nan"), float("inf")]
)
def test_what_would_cost_time_is_none(value: object) -> None:
    assert parse(value) is None


def test_numbers_stand_for_themselves() -> None:
    assert parse(0.1) == Fraction(1, 10) == parse("100m")
    assert parse(2**70) == 2**70
    assert parse(1e22) == 10**22


@pytest.mark.parametrize(
    ("text", "expected"), [("1", False), ("1.10", False), ("1k", True), ("1e3", True), ("x", False)]
)
def test_unit(text: str, expected: bool) -> None:
    assert has_unit(text) is expected
