"""A block of shell is cut where a shell would run it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.catalog.commands import cut

PIECES = st.sampled_from(
    [
        "kubectl get pods",
        "",
        "# a word",
        "cat <<'EOF'",
        "EOF",
        "for i in 1 2; do",
        "done",
        "echo 'a",
        "b'",
        "x \\",
        "if y; then",
        "fi",
    ]
)


def commands(block: str) -> list[str]:
    """What can be run."""
    return [piece.text for piece in cut(block) if piece.command]


@pytest.mark.parametrize(
    ("block", "found"),
    [
        ("kubectl get pods\nkubectl get nodes", ["kubectl get pods", "kubectl get nodes"]),
        ("# look\n\nkubectl get pods", ["kubectl get pods"]),
        ("kubectl run a \\\n  --image=b\nls", ["kubectl run a \\\n  --image=b", "ls"]),
        ("kubectl get pods |\n  grep a\nls", ["kubectl get pods |\n  grep a", "ls"]),
        (
            "kubectl apply -f - <<'YAML'\na: b\n\n# c\nYAML\nls",
            ["kubectl apply -f - <<'YAML'\na: b\n\n# c\nYAML", "ls"],
        ),
        ("cat <<-A\n\tx\n\tA\nls", ["cat <<-A\n\tx\n\tA", "ls"]),
        ("cat <<A <<B\n1\nA\n2\nB\nls", ["cat <<A <<B\n1\nA\n2\nB", "ls"]),
        ("for i in 1 2; do\n  echo $i\ndone\nls", ["for i in 1 2; do\n  echo $i\ndone", "ls"]),
        ("if a; then\n  b\nfi\nls", ["if a; then\n  b\nfi", "ls"]),
        ("echo 'it is\nlong'\nls", ["echo 'it is\nlong'", "ls"]),
        ('echo "it\'s"\nls', ['echo "it\'s"', "ls"]),
        ("echo it\\'s\nls", ["echo it\\'s", "ls"]),
        ("cat <<EOF\nnever ended", ["cat <<EOF\nnever ended"]),
    ],
)
def test_cut_where_a_shell_would_run_it(block: str, found: list[str]) -> None:
    assert commands(block) == found


@pytest.mark.parametrize(
    ("text", "complete"),
    [
        ("kubectl get pods", True),
        ("kubectl delete pod web-…", False),
        ("kubectl logs <name of the pod>", False),
        ("kubectl get pods > list", True),
        ("sort < list", True),
        ("cat <<EOF\nx\nEOF", True),
    ],
)
def test_what_has_to_be_filled_in_is_not_run_as_it_is(text: str, complete: bool) -> None:
    (piece,) = cut(text)
    assert piece.command
    assert piece.complete is complete


@given(st.lists(PIECES, max_size=12).map("\n".join))
def test_nothing_is_lost_or_changed(block: str) -> None:
    assert "\n".join(piece.text for piece in cut(block)) == block


@given(st.text(max_size=200))
def test_any_text_is_cut_without_loss(block: str) -> None:
    assert "\n".join(piece.text for piece in cut(block)) == block
