"""Decide each check of a lab from its Evidence. Pure: reads no cluster, no file and no clock.

prepare           compile every check of a lab, and name every fault with its line
judge             one check against an Evidence -> CheckResult
wants, held       the lists that a lab's checks look at, and those that checks with `hold` need from every look
compile, Matcher  a partial object as a function of an object; `mismatches` says what differs
"""

from grader.checks.compiling import Matcher, compile, mismatches
from grader.checks.faults import PatternError
from grader.checks.judging import judge
from grader.checks.looking import held, wants
from grader.checks.operators import OPERATORS
from grader.checks.patterns import Mismatch
from grader.checks.plans import prepare

__all__ = [
    "OPERATORS",
    "Matcher",
    "Mismatch",
    "PatternError",
    "compile",
    "held",
    "judge",
    "mismatches",
    "prepare",
    "wants",
]
