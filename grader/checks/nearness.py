"""The object nearest to what was asked, and how a sentence tells the difference."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from grader.checks.compiling import Matcher
from grader.checks.looking import Seen
from grader.checks.patterns import Mismatch
from grader.checks.wording import NAME_LIMIT, clean, listing, metadata, shown, title
from grader.model import Object

# Among how many objects the nearest is looked for. A list is in the order of names, so which are left out does not
# change from look to look.
_LOOKED_AT = 500
_MISMATCHES_TOLD = 3
# How like another a name must be to be taken for a slip of the pen, by difflib's measure.
_ALIKE = 0.6


def nearest(matcher: Matcher, items: Sequence[Object]) -> tuple[Object, list[Mismatch]] | None:
    """The object with the fewest differences, where a wrong name weighs most, and these; None where there is none."""
    best: tuple[Object, list[Mismatch]] | None = None
    least = 0
    for obj in islice(items, _LOOKED_AT):
        found = matcher.mismatches(obj)
        weight = sum(m.weight for m in found)
        if best is None or weight < least:
            best, least = (obj, found), weight
    return best


def told(mismatches: Sequence[Mismatch]) -> str:
    """The first differences: "spec.replicas is 1, expected 3; and 2 more differences"."""
    parts = [str(m) for m in mismatches[:_MISMATCHES_TOLD]]
    more = len(mismatches) - len(parts)
    if more:
        parts.append(f"and {more} more difference{'s' if more > 1 else ''}")
    return "; ".join(parts)


def name_of(partial: Mapping[str, Any]) -> str | None:
    """The name that a partial object asks for, where it is plain text."""
    about = partial.get("metadata")
    name = about.get("name") if isinstance(about, Mapping) else None
    return name if isinstance(name, str) and name else None


def none_found(matcher: Matcher, seen: Seen) -> str:
    """Why no object is as asked, in a sentence without its stop."""
    kind = clean(seen.want.kind)
    if not seen.served:
        return f"This cluster knows no kind {kind} in {clean(seen.want.api_version)}"
    name = name_of(matcher.partial)
    if name is not None:
        named = [o for o in seen.items if metadata(o, "name") == name]
        if not named:
            return f"No {kind} named {clean(name, NAME_LIMIT)}{seen.where}{_near_names(name, seen.items)}"
        return _nearest(matcher, named)
    if not seen.items:
        return f"No {kind}{seen.where}"
    if len(seen.items) == 1:
        return _nearest(matcher, seen.items)
    return f"No {kind}{seen.where} is as asked; nearest is {_nearest(matcher, seen.items)}"


def _nearest(matcher: Matcher, items: Sequence[Object]) -> str:
    found = nearest(matcher, items)
    return f"{title(found[0])}: {told(found[1])}" if found else ""


def _near_names(name: str, items: Sequence[Object]) -> str:
    names = [metadata(o, "name") for o in islice(items, _LOOKED_AT)]
    close = difflib.get_close_matches(name, names, n=3, cutoff=_ALIKE)
    if not close:
        return ""
    return f"; there {'is one' if len(close) == 1 else 'are'} named {listing([clean(c, NAME_LIMIT) for c in close])}"


def named(partial: Mapping[str, Any]) -> str:
    """ " named web", or nothing where no name is asked for."""
    name = name_of(partial)
    return f" named {clean(name, NAME_LIMIT)}" if name else ""


def asked(partial: Mapping[str, Any]) -> str:
    """What a partial object asks for beside its kind, name and place: " with spec.type "NodePort""."""
    parts = list(islice(_leaves(partial, ""), _MISMATCHES_TOLD + 1))
    if len(parts) > _MISMATCHES_TOLD:
        parts[-1:] = ["more"]
    return f" with {listing(parts)}" if parts else ""


def _leaves(value: Mapping[str, Any], path: str) -> Any:
    for key, inner in value.items():
        at = f"{path}.{key}" if path else str(key)
        if at in ("apiVersion", "kind", "metadata.name", "metadata.namespace") or inner == {}:
            continue
        if isinstance(inner, Mapping) and inner and not any(str(k).startswith("$") for k in inner):
            yield from _leaves(inner, at)
        else:
            yield f"{at} {shown(inner)}"
