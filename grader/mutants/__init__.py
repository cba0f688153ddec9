"""Mutants of captured evidence: a solved lab with one thing broken. A lab whose grade does not notice has a gap.

Pure. `mutants` makes them from what the checks ask for and from what the solution sets; whoever evaluates them
(`evaluate(lab, mutant.mutate(evidence), explain=False)`) sees which of them cost points.
"""

from grader.mutants.asked import of_checks
from grader.mutants.model import Mutant, explained
from grader.mutants.solved import mutants, of_solution

__all__ = ["Mutant", "explained", "mutants", "of_checks", "of_solution"]
