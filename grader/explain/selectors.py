"""Label selectors, and the labels that come nearest to one that selects nothing."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher, get_close_matches
from typing import Any

from grader.explain import objects
from grader.explain.objects import at, label_list, maps, shown, text, words
from grader.model import Object

# Nearness is quadratic in the length of what is compared, so only so many candidates are looked at.
_CANDIDATES = 200


def plain(selector: Any) -> dict[str, str]:
    """The pairs that a selector asks for by equality: of a Service or ReplicationController, or matchLabels."""
    if isinstance(selector, dict) and ("matchLabels" in selector or "matchExpressions" in selector):
        return objects.pairs(selector.get("matchLabels"))
    return objects.pairs(selector)


def selects(selector: Any, labels: dict[str, str]) -> bool:
    """Whether a selector, of either form, selects these labels. An empty one selects all, a malformed one nothing."""
    if not isinstance(selector, dict):
        return False
    if any(labels.get(k) != v for k, v in plain(selector).items()):
        return False
    return all(_expression(e, labels) for e in maps(selector.get("matchExpressions")))


def _expression(expression: Object, labels: dict[str, str]) -> bool:
    key, values = text(expression.get("key")), words(expression.get("values"))
    match expression.get("operator"):
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case _:
            return False


def spelled(selector: Any) -> str:
    """A selector in words: "app=web, tier in (a, b)"."""
    parts = [label_list(plain(selector))] if plain(selector) else []
    for e in maps(at(selector, "matchExpressions"))[:3]:
        values = f" ({', '.join(shown(v, 40) for v in words(e.get('values'))[:4])})" if words(e.get("values")) else ""
        parts.append(f"{shown(e.get('key'), 63)} {shown(e.get('operator'), 20)}{values}")
    return ", ".join(parts) or "every Pod"


def nearest(wanted: str, found: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The name that comes nearest to a wanted one, or None where none is like it."""
    some = [f for f in found if len(f) <= 253][:_CANDIDATES]
    folded = {f.casefold(): f for f in reversed(some)}
    close = get_close_matches(wanted.casefold()[:253], list(folded), n=1, cutoff=cutoff)
    if close:
        return folded[close[0]]
    return next((f for f in some if len(wanted) > 2 and (f.startswith(wanted) or wanted.startswith(f))), None)


def nearest_labels(wanted: dict[str, str], candidates: Iterable[Object]) -> tuple[Object, dict[str, str]] | None:
    """The object whose labels come nearest to the wanted pairs, with those of its labels that are worth showing.

    Pairs that agree count most, then the same key, then the same value or one like it under another key.
    """
    best: tuple[float, Object] | None = None
    for candidate in list(candidates)[:_CANDIDATES]:
        found = objects.labels(candidate)
        score = sum(_likeness(key, value, found) for key, value in wanted.items())
        if found and (best is None or score > best[0]):
            best = (score, candidate)
    if best is None:
        return None
    found = objects.labels(best[1])
    telling = {k: v for k, v in found.items() if k in wanted or v in wanted.values() or nearest(k, wanted)}
    # The labels that controllers add say nothing about the student's mistake.
    own = {k: v for k, v in found.items() if k not in ("pod-template-hash", "controller-revision-hash")}
    return best[1], telling or own or found


def _likeness(key: str, value: str, found: dict[str, str]) -> float:
    if key in found:
        return 2.0 if found[key] == value else 1.0 + SequenceMatcher(None, value[:63], found[key][:63]).ratio() * 0.9
    return 0.5 if value in found.values() else 0.0
