"""Why a check fails, told from the cluster's own relations: owners, selectors, events, conditions, storage classes.

Pure functions over an Evidence. `related` says what else to collect, `why` explains. Each mistake that is known is a
rule in `grader.explain.rules` and a row in docs/explanations.md.
"""

from grader.explain.explanation import why
from grader.explain.lists import related

__all__ = ["related", "why"]
