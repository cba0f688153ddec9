"""Make one image: the layer of its packages, the layer of what we add, and both in one file."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from pathlib import Path

from clusters import exec as processes
from clusters.kind.names import HOLDS, INPUTS
from clusters.tools.pins import system
from nodeimage import archive, debian, layers
from nodeimage.recipe import Debian, Image
from nodeimage.workshop import Workshop, digest

# To be raised when images come out otherwise though their recipe is the same.
VERSION = "1"
# What no container needs of what Debian's packages bring.
UNWANTED = (
    *debian.UNREAD, "dev", "dev/*", "etc/apt", "etc/apt/*", "etc/dpkg/*", "etc/fstab", "etc/hostname",
    "etc/resolv.conf",
    "usr/lib/*/gconv/*", "usr/share/bash-completion/*", "usr/share/lintian", "usr/share/seatrial",
    "usr/share/seatrial/*",
    "usr/share/perl*", "usr/lib/*/perl*", "usr/share/zoneinfo/*", "var/cache/*", "var/lib/apt", "var/lib/apt/*",
    "var/lib/dpkg", "var/lib/dpkg/*", "usr/share/bug/*", "usr/share/initramfs-tools/*",
)  # fmt: skip
# Whose licence is told although the rest of the documents is left out.
KEPT = "usr/share/doc/*/copyright"
# The folders of which one is looked into for a program, in the order of PATH.
BINARIES = ("usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin", "sbin", "bin")
# Names under which the one program of iptables works, whose links Debian makes when the package is set up.
IPTABLES = ("iptables", "iptables-save", "iptables-restore", "ip6tables", "ip6tables-save", "ip6tables-restore")
LINKED = ("bin", "lib", "lib64", "sbin")
USERS = {
    "root": (0, "/root"), "www-data": (33, "/var/www"), "redis": (101, "/data"), "nobody": (65534, "/nonexistent"),
}  # fmt: skip

NGINX = b"""\
user www-data;
worker_processes 1;
error_log /dev/stderr notice;
pid /run/nginx.pid;
events { worker_connections 1024; }
http {
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    access_log /dev/stdout;
    sendfile on;
    keepalive_timeout 65;
    include /etc/nginx/conf.d/*.conf;
}
"""
# Of the same names and in the same places as in the image that Docker Hub has.
NGINX_DEFAULT = b"""\
server {
    listen 80;
    listen [::]:80;
    server_name localhost;
    location / {
        root /usr/share/nginx/html;
        index index.html index.htm;
    }
}
"""
WELCOME = b"""\
<!DOCTYPE html>
<html><head><title>Welcome to nginx!</title></head>
<body><h1>Welcome to nginx!</h1><p>If you see this page, the web server is working.</p></body></html>
"""


@dataclass(frozen=True, slots=True)
class Made:
    """An image in a file. `holds` says what is in it: "nginx-light 1.22.1-9+deb12u11 (Debian bookworm)"; `inputs` is
    the
    digest of what it was made of."""

    reference: str
    file: Path
    holds: str
    inputs: str


def make(
    workshop: Workshop, source: Debian, image: Image, programs: Mapping[str, Path], versions: Mapping[str, str]
) -> Made:
    """Make an image, or find it made. `versions` are those of the programs."""
    below = debian.unpacked(workshop, source, image.packages) if image.packages else None
    holds = _holds(image, below, versions, source)
    reference = _tag(image.reference)
    name = "".join(c if c.isalnum() else "-" for c in image.reference)
    # The names tell programs' versions, so that their 90 MB need not be read to know whether something has changed.
    inputs = [VERSION, json.dumps(asdict(image)), holds, below.name if below else "", *map(str, system())]

    key = digest(*inputs)

    def write(goal: Path) -> None:
        with tempfile.TemporaryDirectory(dir=workshop.root) as scratch:
            stack = []
            if below:
                stack.append(Path(scratch) / "packages.tar")
                with layers.Layer(stack[0]) as layer:
                    layer.copy(below, wanted)
            stack.append(Path(scratch) / "own.tar")
            with layers.Layer(stack[-1]) as layer:
                _fill(layer, image, programs, below)
            archive.write(goal, [reference], stack, _settings(image, {HOLDS: holds, INPUTS: key}))

    return Made(reference, workshop.made(f"image-{name}", f"Making {reference}", inputs, write), holds, key)


def wanted(path: str) -> bool:
    """Whether a container needs this of what Debian's packages bring."""
    return fnmatch(path, KEPT) or not any(fnmatch(path, pattern) for pattern in UNWANTED)


def _tag(reference: str) -> str:
    """As Docker and Podman show it: without the registry that is meant where none is named."""
    return reference.removeprefix("docker.io/").removeprefix("library/")


def _holds(image: Image, below: Path | None, versions: Mapping[str, str], source: Debian) -> str:
    told = [f"{name} {versions[name]}" for name in image.programs]
    if below:
        found = debian.versions(below)
        names = [image.holds] if image.holds else list(image.packages)
        told.append(", ".join(f"{name} {found[name]}" for name in names) + f" (Debian {source.suite})")
    return ", ".join(told)


def _settings(image: Image, labels: dict[str, str]) -> archive.Settings:
    return archive.Settings(
        image.entrypoint, image.command, user=image.user, ports=image.ports, stop=image.stop, labels=labels
    )


def _fill(layer: layers.Layer, image: Image, programs: Mapping[str, Path], below: Path | None) -> None:
    taken = layers.names(below) if below else set()
    # Where Debian has merged /bin into /usr/bin, and so on, a package that is set up first makes the links between
    # them.
    merged = "" if "bin" in taken or "lib" in taken else "usr/"
    if below and merged:
        for name in LINKED:
            layer.link(name, f"usr/{name}")
    for name in image.programs:
        layer.file(f"usr/local/bin/{name}", programs[name], 0o755)
    for path in image.folders:
        layer.folder(path, 0o777)
    if image.applets and below:
        for applet in applets(below):
            if not any(f"{folder}/{applet}" in taken for folder in BINARIES):
                layer.link(f"{merged}bin/{applet}", f"/{merged}bin/busybox")
    if image.iptables:
        for name in IPTABLES:
            layer.link(f"usr/sbin/{name}", "xtables-nft-multi")
    if image.nginx:
        _nginx(layer)
    if image.bare:
        return
    layer.folder("tmp", 0o1777)
    layer.folder("run")
    layer.folder("root", 0o700)
    passwd = [f"{name}:x:{uid}:{uid}:{name}:{home}:/bin/sh\n" for name, (uid, home) in USERS.items()]
    layer.file("etc/passwd", "".join(passwd).encode())
    layer.file("etc/group", "".join(f"{name}:x:{uid}:\n" for name, (uid, _) in USERS.items()).encode())
    layer.file("etc/nsswitch.conf", b"passwd: files\ngroup: files\nhosts: files dns\n")


def _nginx(layer: layers.Layer) -> None:
    layer.file("etc/nginx/nginx.conf", NGINX)
    layer.file("etc/nginx/conf.d/default.conf", NGINX_DEFAULT)
    layer.file("usr/share/nginx/html/index.html", WELCOME)
    for path in ("var/lib/nginx", "var/log/nginx"):
        layer.folder(path)


def applets(packages: Path) -> list[str]:
    """What the busybox in a tar file can do. It is run with the libraries beside it, whatever this machine has."""
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        layers.extract(packages, root, lambda p: p.endswith("bin/busybox") or fnmatch(p, "*lib/*linux-gnu/l*.so*"))
        (loader,) = root.glob("**/lib/*linux-gnu/ld-linux*.so*")
        (busybox,) = root.glob("**/bin/busybox")
        argv: list[str | Path] = [loader, "--library-path", loader.parent, busybox, "--list"]
        return processes.run(argv, timeout=60).stdout.split()
