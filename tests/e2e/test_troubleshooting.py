"""docs/troubleshooting.md quotes what the product prints, and names tests that are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text()
# A code span in a table's first column: in one backtick, or in two where it holds one.
SPAN = re.compile(r"`` (.+?) ``|`([^`]+)`")

# Of how many texts the product puts a sentence together, between two names: "has" or "have", a reason, what to do.
MOST = 3


def _printed() -> str:
    """Every text in the product's source, a placeholder being "…"."""
    found = []
    for path in [
        ROOT / "seatrial.py",
        *(p for d in ("grader", "proving", "cluster-setup") for p in (ROOT / d).rglob("*.py")),
    ]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                parts = (str(v.value) if isinstance(v, ast.Constant) else "…" for v in node.values)
                found.append("".join(parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return "\n".join(found)


def _pieces(text: str, printed: str) -> int:
    """Of how few texts of the product's a sentence can be put together, the longest first."""
    count = 0
    while text:
        length = next((n for n in range(len(text), 0, -1) if text[:n] in printed), 1)
        text, count = text[length:], count + 1
    return count


def test_every_quoted_sentence_is_one_that_is_printed() -> None:
    printed = _printed()
    rows = re.findall(r"^\| (`.+?) \| ", PAGE, re.MULTILINE)
    spans = [(two or one) for row in rows for two, one in SPAN.findall(row)]
    sentences = [s for s in spans if " " in s]
    assert len(sentences) > 30
    for sentence in sentences:
        for part in sentence.split("…"):
            assert _pieces(part.strip(), printed) <= MOST, f"{part!r} of {sentence!r}"


def test_every_named_test_is_there() -> None:
    table = PAGE.partition("## Where each of these is proved")[2]
    for row in table.splitlines():
        folder = Path()
        for name in re.findall(r"`([\w/]+\.py)`", row):
            # Without a folder it lies beside the one before.
            path = Path(name) if "/" in name else folder / name
            folder = path.parent
            assert (ROOT / "tests" / path).is_file(), path


def test_it_is_short_and_narrow() -> None:
    lines = PAGE.splitlines()
    assert len(lines) <= 200
    assert all(len(line) <= 120 for line in lines if not line.startswith("|"))
