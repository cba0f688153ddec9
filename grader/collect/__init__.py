"""Look at a cluster once and write down what a lab's checks need. Reads, never writes.

Access   a kubeconfig's way to its API server
collect  lab + cluster -> Evidence
again    the same, later: the looks before it are kept for the checks that must hold
record   what the platform wrote down when the lab was started
"""

from grader.collect.access import Access
from grader.collect.collecting import again, collect
from grader.collect.record import Record, record

__all__ = ["Access", "Record", "again", "collect", "record"]
