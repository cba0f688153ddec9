"""Other people's scripts that the pages use: pinned here, kept in static/vendor with their licences and checksums.

    python -m webapp.web.vendor            fetch the pinned packages with npm and write static/vendor anew
    python -m webapp.web.vendor --check    say whether static/vendor is what was pinned; needs no network

A version is changed here, with the `integrity` that `npm view NAME@VERSION dist.integrity` tells. No page loads
anything from another server.
"""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

VENDOR = Path(__file__).parent / "static" / "vendor"
SUMS = "SHA256SUMS"


@dataclass(frozen=True, slots=True)
class Package:
    """One npm package: `files` says what of it is kept, by its path in the package, and under which name."""

    name: str
    version: str
    integrity: str
    files: tuple[tuple[str, str], ...]


PACKAGES = (
    Package(
        "@xterm/xterm",
        "6.0.0",
        "sha512-TQwDdQGtwwDt+2cgKDLn0IRaSxYu1tSUjgKarSDkUM0ZNiSRXFpjxEsvc/Zgc5kq5omJ+V0a8/kIM2WD3sMOYg==",
        (("lib/xterm.mjs", "xterm.js"), ("css/xterm.css", "xterm.css"), ("LICENSE", "xterm.LICENSE")),
    ),
    Package(
        "@xterm/addon-fit",
        "0.11.0",
        "sha512-jYcgT6xtVYhnhgxh3QgYDnnNMYTcf8ElbxxFzX0IZo+vabQqSPAjC3c1wJrKB5E19VwQei89QCiZZP86DCPF7g==",
        (("lib/addon-fit.mjs", "addon-fit.js"), ("LICENSE", "addon-fit.LICENSE")),
    ),
    Package(
        "htmx.org",
        "2.0.11",
        "sha512-Thx/WtpeOQqSrqBCw/A1cwGJGg4UrVa3+sW0GmrM3p4gJgO89ecH4qtbnyzDDWFvBTqjnIMCgELTNt636dtamA==",
        (("dist/htmx.min.js", "htmx.js"), ("LICENSE", "htmx.LICENSE")),
    ),
)


class VendorError(Exception):
    """A package that is not what was pinned, or cannot be had."""


def fetch(package: Package, folder: Path) -> dict[str, bytes]:
    """The kept files of a package by name, out of npm's tarball, whose checksum is compared with the pinned one."""
    npm = shutil.which("npm")
    if npm is None:
        raise VendorError("npm is not on PATH; install Node.js, which brings it")
    subprocess.run(  # `npm pack` only downloads: no script of the package runs
        [npm, "pack", "--silent", "--ignore-scripts", f"{package.name}@{package.version}"],
        cwd=folder,
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=120,
    )
    (tarball,) = folder.glob("*.tgz")
    content = tarball.read_bytes()
    found = "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()
    if found != package.integrity:
        raise VendorError(f"{package.name}@{package.version} has the checksum {found}, pinned is {package.integrity}")
    kept = {}
    with tarfile.open(tarball) as archive:
        for path, name in package.files:
            member = archive.extractfile(f"package/{path}")
            if member is None:
                raise VendorError(f"{package.name}@{package.version} has no file {path}")
            kept[name] = _tidy(member.read())
    return kept


def _tidy(content: bytes) -> bytes:
    """Without the pointer to a source map that is not served: browsers would ask for it in vain."""
    lines = content.splitlines(keepends=True)
    return b"".join(line for line in lines if not line.startswith((b"//# sourceMappingURL=", b"/*# sourceMappingURL=")))


def write(packages: Sequence[Package] = PACKAGES, vendor: Path = VENDOR) -> None:
    """Fetch every package first; then replace what is in the folder."""
    files: dict[str, bytes] = {}
    for package in packages:
        with tempfile.TemporaryDirectory() as folder:
            files |= fetch(package, Path(folder))
    vendor.mkdir(parents=True, exist_ok=True)
    for old in vendor.iterdir():
        old.unlink()
    for name, content in files.items():
        (vendor / name).write_bytes(content)
    sums = [f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(files.items())]
    (vendor / SUMS).write_text("".join(sums), encoding="ascii")


def faults(packages: Sequence[Package] = PACKAGES, vendor: Path = VENDOR) -> list[str]:
    """What is wrong with the folder, a sentence each: a file that is missing, changed, or nobody's."""
    try:
        lines = (vendor / SUMS).read_text(encoding="ascii").splitlines()
    except OSError as error:
        return [f"{vendor / SUMS} cannot be read: {error.strerror}"]
    sums = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    wanted = {name for package in packages for _, name in package.files}
    there = {path.name for path in vendor.iterdir()} - {SUMS}
    found = [f"{name} is missing" for name in sorted(wanted - there)]
    found += [f"{name} belongs to no pinned package" for name in sorted(there - wanted)]
    for name in sorted(wanted & there):
        if hashlib.sha256((vendor / name).read_bytes()).hexdigest() != sums.get(name):
            found.append(f"{name} is not what {SUMS} says")
    return found


def main(arguments: Sequence[str]) -> int:
    """Write or check; 0 when all is as pinned, 1 with a sentence for each fault."""
    if arguments not in ([], ["--check"]):
        print("usage: python -m webapp.web.vendor [--check]", file=sys.stderr)
        return 2
    try:
        if not arguments:
            write()
        wrong = faults()
    except (VendorError, subprocess.SubprocessError) as error:
        wrong = [str(error)]
    for sentence in wrong:
        print(sentence, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
