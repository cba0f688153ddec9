"""Why a check fails, told from the cluster's own relations: owners, selectors, events, conditions, storage classes.

Pure functions over an Evidence. `related` says what else to collect, `why` explains. Each mistake that is known is a
rule in `grader.explain.rules` and a row in docs/explanations.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from grader.explain.lists import related

if TYPE_CHECKING:
    from grader.labfile import LoadedLab
    from grader.labfile.schema import Check
    from grader.model import Evidence

__all__ = ["related", "why"]


def why(check: Check, lab: LoadedLab, evidence: Evidence) -> str | None:
    """The cause of a check's failure in a sentence or two; None where nothing is known, or the check does not fail."""
    from grader.explain.explanation import why as explained  # many rules, and full marks need none of them

    return explained(check, lab, evidence)
