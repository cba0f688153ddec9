"""A lab as its author wrote it: schema, parameters, and every fault with its line. Touches no cluster.

read       a folder -> LoadedLab, for one student
find       a lab's folder by slug, folder name or path
catalogue  every lab's folder
manifests  the Kubernetes objects of a file or folder
setup, solution, wrongs   what is done to a cluster in the lab's name
"""

from grader.labfile.catalog import catalogue, find
from grader.labfile.faults import Fault, LabFaults
from grader.labfile.loading import LoadedLab, read
from grader.labfile.manifests import Manifest, manifests
from grader.labfile.steps import Script, Solution, Wrong, setup, solution, wrongs

__all__ = [
    "Fault",
    "LabFaults",
    "LoadedLab",
    "Manifest",
    "Script",
    "Solution",
    "Wrong",
    "catalogue",
    "find",
    "manifests",
    "read",
    "setup",
    "solution",
    "wrongs",
]
