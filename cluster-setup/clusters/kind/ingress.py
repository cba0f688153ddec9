"""The Ingress controller of a cluster that was asked to have one: Traefik, brought in as an image of this machine."""

from __future__ import annotations

import json
from pathlib import Path

from clusters import kubectl
from clusters.api import Api
from clusters.engine import Engine
from clusters.errors import PermanentError, TransientError
from clusters.exec import CommandError
from clusters.kind import begin, images
from clusters.kind.layout import Layout
from clusters.store import kubeconfig_file
from clusters.tools import pins

MANIFEST = Path(__file__).parent / "manifests" / "ingress.yaml"
# Where it is reached in every cluster: of the part of the Services' range from which no address is given away unasked.
ADDRESS = "10.96.0.80"
DEPLOYMENT = "/apis/apps/v1/namespaces/kube-system/deployments/traefik"
PULL_TIMEOUT = 600.0  # seconds


def image() -> str:
    """Its image, by the name that upstream publishes it under."""
    (_, containers) = pins.of_a_node()
    return f"traefik:{containers.programs['traefik'].version}"


def provide(engine: Engine) -> None:
    """See that this machine has the image, from a registry if it must be. Raises ClusterError."""
    if engine.has(image()):
        return
    try:
        engine.run("pull", image(), timeout=PULL_TIMEOUT)
    except CommandError as fault:
        if fault.code is None:
            raise TransientError(
                f"{image()} does not arrive within {PULL_TIMEOUT / 60:.0f} minutes; try again"
            ) from fault
        raise PermanentError(
            f"{engine.name} has no image of the Ingress controller, and no registry gives {image()}: "
            "`seatrial node-image build` makes one here, `seatrial images load FILE.tar` takes one from another machine"
        ) from fault


def objects() -> str:
    """What the cluster is given, as YAML."""
    return MANIFEST.read_text().replace("INGRESS_ADDRESS", ADDRESS).replace("INGRESS_IMAGE", image())


def install(engine: Engine, layout: Layout, server: str) -> None:
    """Bring the image into every node and run the controller; returns when it is ready. Raises ClusterError."""
    if images.bring(engine, layout, [image()]):
        raise PermanentError(
            f"{image()} was removed from {engine.name} while cluster {layout.name} was made; try again"
        )
    kubectl.kubectl(kubeconfig_file(layout.name, "admin"), "create", "--filename=-", stdin=objects())
    platform = Api(server, layout.pki, "admin")

    def available() -> bool:
        status, text = platform.ask("GET", DEPLOYMENT)
        return status == 200 and json.loads(text)["status"].get("availableReplicas", 0) > 0

    try:
        begin.until("the Ingress controller is ready", available)
    finally:
        platform.close()
