"""A lab's text can be read and do nothing else, whoever wrote it."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.catalog.markdown import inline, render

TAGS = set(
    "p br hr em strong s code pre blockquote a ul ol li h2 h3 h4 h5 h6 table thead tbody tr th td div button".split()  # noqa: SIM905
)
ATTRIBUTES = {"href", "title", "start", "aria-label", "class", "id", "type", "rel", "target"}
HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<style>body{display:none}</style>",
    "<iframe src=//evil></iframe>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt&#58;alert(1))",
    "[x](data:text/html,<script>alert(1)</script>)",
    "[x](//evil.example)",
    "![x](http://evil.example/pixel.png)",
    "![x](javascript:alert(1))",
    '[x](http://a "onmouseover=alert(1)")',
    "<a href='javascript:alert(1)'>x</a>",
    "```sh\n<script>alert(1)</script>\n```",
    '```sh" onclick="alert(1)\nls\n```',
    "## <img src=x onerror=alert(1)>",
    "|<script>|\n|--|\n|<svg onload=alert(1)>|",
    "<button class=run>rm -rf</button>",
    "<form action=/logout method=post><input></form>",
    "&lt;script&gt;",
    "\u202egnp.exe",
    "[ref]: javascript:alert(1)\n[ref]",
    '<http://a.example/"onclick=alert(1)>',
    "</div></section><h1>mine</h1>",
]


class Seen(HTMLParser):
    """What a browser would make of it, as far as tags and attributes go."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.open: list[str] = []
        self.feed(str(html))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"br", "hr"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def harmless(html: str) -> Seen:
    """Nothing in it runs, loads, sends, or leaves its place in the page."""
    seen = Seen(html)
    assert seen.open == []
    for tag, attributes in seen.tags:
        assert tag in TAGS
        assert set(attributes) <= ATTRIBUTES
        if "href" in attributes:
            assert (attributes["href"] or "").startswith(("http://", "https://", "mailto:"))
            assert attributes["rel"] == "noopener noreferrer"
        if "id" in attributes:
            assert (attributes["id"] or "").startswith("text-")
        if tag == "button":
            assert attributes["type"] == "button"
    return seen


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_text(text: str) -> None:
    harmless(render(text))
    harmless(inline(text))


@given(st.lists(st.sampled_from(HOSTILE) | st.text(max_size=30), max_size=6).map("\n\n".join))
def test_hostile_texts_together_are_text(text: str) -> None:
    harmless(render(text))


@given(st.text(alphabet=st.characters(codec=None), max_size=60))
def test_every_plane_of_unicode_can_be_read(text: str) -> None:
    seen = harmless(render(text))
    seen.words.encode()
    assert "\u202e" not in seen.words


def test_a_script_is_shown_as_it_is_written() -> None:
    assert "<script>alert(1)</script>" in Seen(render("<script>alert(1)</script>")).words


def test_the_title_is_the_pages_own_and_tasks_have_places() -> None:
    html = render("# Services\n\ntext\n\n## Open a door\n\n## Open a door\n\n# Again", {"Open a door": "node-port"})
    ids = [a["id"] for t, a in Seen(html).tags if t == "h2"]
    assert ids == ["text-node-port", "text-to-open-a-door", "text-to-again"]
    assert "Services" not in html
    assert html.count("task-heading") == 1


def test_headings_that_are_alike_have_places_of_their_own() -> None:
    html = render("## A\n\n## A\n\n## !\n\n## ?\n\n## \u4f60")
    ids = [a["id"] for t, a in Seen(html).tags if t == "h2"]
    assert len(set(ids)) == len(ids) == 5


def test_each_command_has_a_button_and_is_the_text_beside_it() -> None:
    html = render("```sh\n# look\nkubectl get pods -o '{\"a\"}'\nkubectl logs <pod>\n```")
    seen = Seen(html)
    buttons = [a["aria-label"] for t, a in seen.tags if t == "button"]
    assert buttons == [
        "Run in the terminal: kubectl get pods -o '{\"a\"}'",
        "Type into the terminal, to be completed: kubectl logs <pod>",
    ]
    assert "kubectl get pods -o '{\"a\"}'" in seen.words


def test_text_that_is_no_command_has_no_run_button() -> None:
    html = render("```yaml\nkind: Pod\n```\n\n    indented\n")
    assert [a.get("class") for t, a in Seen(html).tags if t == "button"] == ["copy"]


def test_alignment_is_a_class_and_no_style() -> None:
    html = render("|a|b|c|\n|--:|:-:|--|\n|1|2|3|")
    assert "style" not in html
    assert [a.get("class") for t, a in Seen(html).tags if t == "td"] == ["right", "centre", None]


def test_a_picture_of_another_server_is_told_and_not_loaded() -> None:
    assert "<em>a chart</em>" in render("![a chart](https://evil.example/x.png)")
