"""A Go that builds nothing: it notes what it was asked and writes a program that says so."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from pathlib import Path

SCRIPT = """#!/bin/sh
# go version | go build ... -o FILE PACKAGE
here=$(dirname "$0")
if [ "$1" = version ]; then echo "go version go{version} linux/amd64"; exit; fi
out=; previous=; package=
for each in "$@"; do
    [ "$previous" = -o ] && out=$each
    previous=$each; package=$each
done
echo "$package $CGO_ENABLED $GOTOOLCHAIN $GOFLAGS" >> "{log}/builds"
grep '^module ' go.mod >> "{log}/modules"
echo "go: downloading something v1.0.0" >&2
echo "changed by go" >> go.sum
case "$package" in {fails}) echo "$package: no such host" >&2; exit 1;; esac
case "$package" in {hangs}) sleep 1000 & echo "$$ $!" > "{log}/hanging"; wait;; esac
printf '#!/bin/sh\\necho built %s\\n' "$package" > "$out"
"""


class FakeGo:
    """A `go` command in `folder`, which keeps its log there."""

    def __init__(self, folder: Path, *, version: str = "1.26.4", fails: str = "-", hangs: str = "-") -> None:
        """`fails` and `hangs` are shell patterns of the packages whose build does."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.text = SCRIPT.format(version=version, log=folder, fails=fails, hangs=hangs)

    def on_path(self) -> str:
        """Put it there as a command; returns the folder for PATH."""
        command = self.folder / "go"
        command.write_text(self.text)
        command.chmod(0o755)
        return str(self.folder)

    def as_wheel(self, requirement: str) -> str:
        """Put it there as the wheel of `NAME==VERSION`; returns the folder for pip's find-links."""
        name, version = requirement.replace("-", "_").split("==")
        info = f"{name}-{version}.dist-info"
        files = {
            "go/__init__.py": "",
            "go/bin/go": self.text,
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        lines = []
        with zipfile.ZipFile(self.folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
            for path, text in files.items():
                entry = zipfile.ZipInfo(path)
                entry.external_attr = 0o100755 << 16
                wheel.writestr(entry, text)
                digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
                lines.append(f"{path},sha256={digest},{len(text.encode())}")
            wheel.writestr(f"{info}/RECORD", "\n".join([*lines, f"{info}/RECORD,,"]))
        return str(self.folder)

    def built(self) -> list[str]:
        """The packages it was asked to build."""
        return [line.split()[0] for line in self.lines()]

    def lines(self) -> list[str]:
        """A line for each build: package, CGO_ENABLED, GOTOOLCHAIN, GOFLAGS."""
        log = self.folder / "builds"
        return log.read_text().splitlines() if log.exists() else []

    def modules(self) -> list[str]:
        """For each build the first line of the go.mod that it was made from."""
        return (self.folder / "modules").read_text().splitlines()
