"""The style sheet: text can be read in light and dark, and nothing is loaded from elsewhere."""

from __future__ import annotations

import re

import pytest

from webapp.web.templating import STATIC

CSS = (STATIC / "portal.css").read_text(encoding="utf-8")
COLOURS = {name: (light, dark) for name, light, dark in re.findall(r"--([a-z-]+): light-dark\((#\w+), (#\w+)\)", CSS)}
# Foreground on background: text needs 4.5 : 1 (WCAG 2.2, 1.4.3), what is drawn 3 : 1 (1.4.11).
TEXT = [
    *((ink, ground) for ink in ("ink", "quiet", "accent", "good", "bad", "warn") for ground in ("paper", "wash")),
    *(("ink", ground) for ground in ("deep", "accent-wash", "good-wash", "bad-wash", "warn-wash")),
    ("quiet", "deep"),
    ("accent-ink", "accent"),
    ("accent", "accent-wash"),
    ("good", "good-wash"),
    ("bad", "bad-wash"),
    ("warn", "warn-wash"),
    ("paper", "good"),
]
DRAWN = [("edge", "paper"), ("edge", "wash"), ("accent", "paper"), ("accent", "deep"), ("good", "deep")]


def luminance(colour: str) -> float:
    """WCAG's relative luminance of #rrggbb."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Their contrast, from 1 to 21."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("ink", "ground"), TEXT)
def test_text_can_be_read(ink: str, ground: str, scheme: int) -> None:
    assert contrast(COLOURS[ink][scheme], COLOURS[ground][scheme]) >= 4.5


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("ink", "ground"), DRAWN)
def test_what_is_drawn_can_be_seen(ink: str, ground: str, scheme: int) -> None:
    assert contrast(COLOURS[ink][scheme], COLOURS[ground][scheme]) >= 3


def test_nothing_comes_from_another_server() -> None:
    for path in [*STATIC.glob("*.css"), *STATIC.glob("*.js")]:
        text = path.read_text(encoding="utf-8")
        assert "@import" not in text
        assert not re.search(r"""url\(["']?(https?:)?//""", text)
        assert not re.search(r"""(from|import\()\s*["']https?:""", text)
        assert "eval(" not in text
        assert ".innerHTML" not in text


def test_every_class_that_a_students_page_names_is_styled_or_used_by_a_script() -> None:
    scripts = "".join(path.read_text(encoding="utf-8") for path in STATIC.glob("*.js"))
    known = set(re.findall(r"\.([a-z][a-z0-9-]*)", CSS)) | set(re.findall(r"[a-z][a-z0-9-]+", scripts))
    named: set[str] = set()
    for path in (STATIC.parent / "templates").glob("*.html"):
        for value in re.findall(r'class="([^"{}]*)"', path.read_text(encoding="utf-8")):
            named |= set(value.split())
    assert named - known == set()


def test_who_wants_no_motion_gets_none() -> None:
    assert "prefers-reduced-motion: reduce" in CSS
