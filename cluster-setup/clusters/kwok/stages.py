"""How KWOK plays kubelets, registry and storage: the Stages, and the two rules by which it plays a mistake.

No image is pulled and no command runs on a simulated node, so what would fail is told by its name alone.
"""

from __future__ import annotations

from pathlib import Path

# An image that no registry has: the words somebody writes who means a missing one, the tag that has lost a dot
# (nginx:1.161, as in the Kubernetes documentation: a second number of three digits), and nginx misspelt.
MISSING_IMAGE = "|".join(
    (
        "does-?not-?exist|non-?existent|no-such",
        "[:][^/@]*(missing|not-?found|broken|typo|wrong)[^/@]*$",
        "[:]bad([-._][^/@]*)?$",
        "[:]v?[0-9]+[.][0-9][0-9][0-9]+([-.][^/@]*)?$",
        "(^|/)(ngnix|nginix|ngix|nignx|nginxx)([:@]|$)",
    )
)
# A command that can only fail: `false`, or one that ends in `exit` and a number other than 0.
FAILS = "(^|[ ;/&|])(false|exit [1-9][0-9]*)[ ;]*$"

STAGES = Path(__file__).parent / "manifests" / "stages.yaml"


def stages() -> str:
    """The Stages as YAML documents."""
    return STAGES.read_text().replace("MISSING_IMAGE", MISSING_IMAGE).replace("FAILS", FAILS)
