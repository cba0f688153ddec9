"""What a user may be called, whatever is typed."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.accounts import names
from webapp.errors import PortalError


@pytest.mark.parametrize("name", ["ada", "0", "ada.l_o-v+e@example.org", "a" * 64])
def test_a_good_name_stays_as_it_is(name: str) -> None:
    assert names.checked(name) == name == names.key(name)


@pytest.mark.parametrize("typed", ["Ada", " ada\t", "ＡＤＡ", "ada\n"])
def test_what_is_typed_in_another_way_is_the_same_name(typed: str) -> None:
    assert names.checked(typed) == "ada"


@pytest.mark.parametrize(
    "name",
    ["", " ", ".ada", "-ada", "a" * 65, "a b", "../x", "a/b", "адa", "ada\0", "ada\u202e", "\ud800", "a%2f", "ß x"],
)
def test_a_bad_name_is_refused_and_asked_of_no_database(name: str) -> None:
    with pytest.raises(PortalError, match="is no name for a user: take 1 to 64"):
        names.checked(name)
    assert names.key(name) == ""


@given(st.text())
def test_any_text_is_a_name_or_refused(text: str) -> None:
    key = names.key(text)
    assert key == "" or names.NAME.fullmatch(key)
    assert names.key(key) == key


@given(st.text(max_size=400))
def test_a_display_name_disturbs_nothing_around_it(text: str) -> None:
    shown = names.display(text)
    assert len(shown) <= 200
    assert names.display(shown) == shown
    assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cs", "Zl", "Zp"}
    assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\ufeff")


def test_a_display_name_keeps_every_script() -> None:
    for name in ("Žofie Müller", "שלום", "愛子", "𐍈𐌰", "👩‍👩‍👧 family", "𠮷野家"):
        assert names.display(name) == name
    assert names.display("  a\u202eb\x00\x1b[31m\r\nc  ") == "ab[31m c"
