"""Put the images into the node's containerd, which is what `kind build node-image` does too: in a container of the
node's file
system, kept as an image afterwards."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from clusters.engine import Engine, full
from clusters.exec import CommandError
from clusters.tools.watch import Watch
from nodeimage.errors import ImageBuildError

# Seconds for loading or saving an image, for one command in the container, and until containerd answers.
LOAD_TIMEOUT, COMMAND_TIMEOUT, READY_TIMEOUT = 1800.0, 900.0, 60.0
ENTRYPOINT = 'ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]'
CTR = ("ctr", "--namespace=k8s.io")


def assemble(
    engine: Engine, base: str, images: Sequence[Path], goal: str, *, labels: dict[str, str], watch: Watch
) -> None:
    """Make the image `goal` of the image `base`, with the archives `images` in its containerd. Raises ClusterError."""
    changes = [ENTRYPOINT, "ENV container=docker", *(f"LABEL {key}={value}" for key, value in labels.items())]
    with _container(engine, base) as container:
        engine.run("exec", "--detach", container, "containerd", timeout=COMMAND_TIMEOUT)
        _until_ready(engine, container)
        for number, image in enumerate(images, 1):
            watch.step("node", f"image {number} of {len(images)}", number / len(images))
            engine.run("cp", image, f"{container}:/image.tar", timeout=LOAD_TIMEOUT)
            # Compressed, because every cluster begins by copying this folder.
            load = (*CTR, "images", "import", "--all-platforms", "--no-unpack", "--compress-blobs", "/image.tar")
            engine.run("exec", container, *load, timeout=COMMAND_TIMEOUT)
        # containerd removes what it has compressed some seconds later, if it still runs; the end of a lease makes it do
        # so now.
        collect = f"{' '.join(CTR)} leases delete --sync $({' '.join(CTR)} leases create)"
        engine.run("exec", container, "sh", "-c", collect, timeout=COMMAND_TIMEOUT)
        end = "pkill containerd; while pidof containerd; do sleep 0.1; done; rm -rf /image.tar /run/containerd"
        engine.run("exec", container, "sh", "-c", end, timeout=COMMAND_TIMEOUT)
        engine.run("commit", *(f"--change={change}" for change in changes), container, full(goal), timeout=LOAD_TIMEOUT)


@contextlib.contextmanager
def _container(engine: Engine, image: str) -> Iterator[str]:
    name = f"seatrial-node-build-{secrets.token_hex(3)}"
    try:
        engine.run(
            "run", "--detach", "--entrypoint=sleep", "--network=none", "--security-opt=seccomp=unconfined",
            f"--name={name}", image, "infinity", timeout=COMMAND_TIMEOUT,
        )  # fmt: skip
        yield name
    finally:
        engine.run("rm", "--force", "--volumes", name, timeout=COMMAND_TIMEOUT)


def _until_ready(engine: Engine, container: str) -> None:
    deadline = time.monotonic() + READY_TIMEOUT
    while True:
        try:
            engine.run("exec", container, *CTR, "version", timeout=COMMAND_TIMEOUT)
            return
        except CommandError as fault:
            if time.monotonic() > deadline:
                raise ImageBuildError(f"containerd does not start in a container of {container}: {fault}") from fault
            time.sleep(0.2)
