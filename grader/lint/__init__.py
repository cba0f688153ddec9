"""Find every fault of a lab without a cluster, and write new labs.

lint   a folder -> list of Fault
new    a small working lab to start from
"""

from grader.lint.lab import lint
from grader.lint.new import new

__all__ = ["lint", "new"]
