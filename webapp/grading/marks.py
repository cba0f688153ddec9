"""Full marks: one meaning for the catalogue, the reports, the class and the reconciler. Pure."""

from __future__ import annotations

# Points are rounded to two decimals, so full marks may be a hair below their sum.
HAIR = 0.005


def full(score: float, points: float, skipped: float = 0.0) -> bool:
    """Whether nothing was lost of `points`: what the cluster could not show (`skipped`) costs nothing.

    Where it could show nothing at all there is nothing to be full of.
    """
    within_reach = points - skipped
    return within_reach > 0 and score >= within_reach - HAIR
