"""A lab's text as HTML that cannot do anything but be read.

markdown-it-py takes raw HTML for text; nh3 then lets through only what is allowed here. Two gates, since a lab may come
from anybody.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from itertools import pairwise

import nh3
from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from markupsafe import Markup

from webapp.catalog.commands import Piece, cut

_SHELLS = {"sh", "bash", "shell", "console", "zsh"}
# Control characters, and those that make text read other than it is written.
_UNFIT = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufffe\uffff]"
)
_WORD = re.compile(r"[a-z0-9]+")

_TAGS = {
    *("p", "br", "hr", "em", "strong", "s", "code", "pre", "blockquote", "a", "ul", "ol", "li"),
    *("h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td", "div", "button"),
}
_ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}, "button": {"aria-label"}}
_CLASSES = {
    "div": {"code", "shell", "command", "wide"},
    "button": {"run", "copy"},
    "pre": {"plain"},
    "code": {"piece"},
    "td": {"right", "centre"},
    "th": {"right", "centre"},
    "h2": {"task-heading"},
}


def render(text: str, anchors: Mapping[str, str] | None = None) -> Markup:
    """Markdown (CommonMark with tables) as HTML.

    The first heading of level 1 is left out: the page has the lab's title already. `anchors` names the headings that
    belong to a task, as title -> task id; those get the id "text-TASK". Every id begins with "text-", so none of them
    can stand in for one of the page's own.
    """
    tokens = _PARSER.parse(_UNFIT.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n")))
    tokens = _without_title(tokens)
    _name_headings(tokens, anchors or {})
    html = _PARSER.renderer.render(tokens, _PARSER.options, {})
    return Markup(_CLEANER.clean(html))  # noqa: S704 - this is the gate


def inline(text: str) -> Markup:
    """One paragraph of Markdown without a paragraph around it: a hint, with its commands in another font."""
    html = _PARSER.renderInline(_UNFIT.sub("\N{REPLACEMENT CHARACTER}", " ".join(text.split())))
    return Markup(_CLEANER.clean(html))  # noqa: S704 - this is the gate


def _without_title(tokens: list[Token]) -> list[Token]:
    if len(tokens) > 2 and tokens[0].type == "heading_open" and tokens[0].tag == "h1":
        return tokens[3:]
    return tokens


def _name_headings(tokens: Sequence[Token], anchors: Mapping[str, str]) -> None:
    used: set[str] = set()
    for opening, inline in pairwise(tokens):
        if opening.type != "heading_open":
            continue
        title = inline.content.strip()
        if opening.tag == "h1":
            opening.tag = "h2"
        task = anchors.get(title) if opening.tag == "h2" else None
        words = "-".join(_WORD.findall(unicodedata.normalize("NFKD", title).lower()))[:60] or "part"
        name = f"text-{task}" if task and f"text-{task}" not in used else f"text-to-{words}"
        number = 2
        while name in used:
            name = f"text-to-{words}-{number}"
            number += 1
        used.add(name)
        opening.attrSet("id", name)
        if task and name == f"text-{task}":
            opening.attrSet("class", "task-heading")
    for closing in tokens:
        if closing.type == "heading_close" and closing.tag == "h1":
            closing.tag = "h2"


def _fence(self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    token = tokens[index]
    words = token.info.split()
    language = words[0].lower() if words else ""
    if language in _SHELLS:
        return _shell(token.content.rstrip("\n"))
    return (
        '<div class="code"><button class="copy" aria-label="Copy this text">Copy</button>'
        f'<pre class="plain"><code>{escapeHtml(token.content)}</code></pre></div>\n'
    )


def _indented(self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    return f'<div class="code"><pre class="plain"><code>{escapeHtml(tokens[index].content)}</code></pre></div>\n'


def _shell(block: str) -> str:
    """Each command with a button; what the button sends is the text beside it, so nobody runs what they do not see."""
    return '<div class="code shell">' + "".join(_command(piece) for piece in cut(block)) + "</div>\n"


def _command(piece: Piece) -> str:
    code = f'<pre><code class="piece">{escapeHtml(piece.text)}</code></pre>'
    if not piece.command:
        return f'<div class="command">{code}</div>' if piece.text.strip() else ""
    shown = " ".join(piece.text.split("\n", 1)[0].split())
    if piece.complete:
        label, word = f"Run in the terminal: {shown}", "Run"
    else:
        label, word = f"Type into the terminal, to be completed: {shown}", "Type"
    button = f'<button class="run" aria-label="{escapeHtml(label)}">{word}</button>'
    return f'<div class="command">{code}{button}</div>'


def _image(self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    """No picture of another server is loaded; what it shows is said instead."""
    token = tokens[index]
    return f"<em>{escapeHtml(self.renderInlineAsText(token.children or [], options, env))}</em>"


def _cell(self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    """Alignment as a class: a style in an attribute is refused by the pages' content security policy."""
    style = str(tokens[index].attrs.pop("style", ""))
    for word, name in (("right", "right"), ("center", "centre")):
        if word in style:
            tokens[index].attrSet("class", name)
    return self.renderToken(tokens, index, options, env)


def _table_open(self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    return '<div class="wide"><table>\n'


def _table_close(self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    return "</table></div>\n"


def _parser() -> MarkdownIt:
    made = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    rules = {
        "fence": _fence,
        "code_block": _indented,
        "image": _image,
        "th_open": _cell,
        "td_open": _cell,
        "table_open": _table_open,
        "table_close": _table_close,
    }
    for name, rule in rules.items():
        made.add_render_rule(name, rule)
    return made


_PARSER = _parser()
_CLEANER = nh3.Cleaner(
    tags=_TAGS,
    attributes={**_ATTRIBUTES, **{f"h{level}": {"id"} for level in range(2, 7)}},
    allowed_classes=_CLASSES,
    set_tag_attribute_values={"button": {"type": "button"}, "a": {"target": "_blank"}},
    url_schemes={"http", "https", "mailto"},
    url_relative="deny",
    link_rel="noopener noreferrer",
)
