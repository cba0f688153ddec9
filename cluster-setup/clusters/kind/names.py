"""What images and their labels are called, for whoever makes them and whoever looks for them."""

from __future__ import annotations

# The node image that `seatrial node-image build` makes; its tag is Kubernetes' version.
NODE = "seatrial/node"
# The label by which an image of ours says what is in it, and the one by which it says what it was made of.
HOLDS, INPUTS = "dev.seatrial.holds", "dev.seatrial.inputs"


def built(version: str) -> str:
    """The node image that is built here, for a version of Kubernetes."""
    return f"{NODE}:{version}"
