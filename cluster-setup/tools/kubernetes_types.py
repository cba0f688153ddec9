"""Make grader/lint/kubernetes-1.36.json.gz anew from a running API server of the pinned release.

.venv/bin/seatrial cluster up types --provider kwok
.venv/bin/seatrial cluster kubeconfig types >types.yaml
.venv/bin/python cluster-setup/tools/kubernetes_types.py types.yaml
.venv/bin/seatrial cluster down types
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from clusters.kubectl import kubectl
from grader.lint.types import FILE, condense


def documents(kubeconfig: Path) -> Iterator[dict[str, Any]]:
    """Every OpenAPI v3 document that the API server serves."""
    paths = json.loads(kubectl(kubeconfig, "get", "--raw", "/openapi/v3").stdout)["paths"]
    for name in sorted(paths):
        if name.startswith("api"):
            # Without the hash of what it held a moment ago: one that has changed since is answered by a redirect.
            path = paths[name]["serverRelativeURL"].partition("?")[0]
            yield json.loads(kubectl(kubeconfig, "get", "--raw", path).stdout)


def condensed(kubeconfig: Path) -> dict[str, Any]:
    """The condensed types of a running API server."""
    version = json.loads(kubectl(kubeconfig, "get", "--raw", "/version").stdout)["gitVersion"]
    return condense(version, documents(kubeconfig))


def main() -> None:
    """Write the file into the checkout."""
    target = Path(__file__).parents[2] / "grader" / "lint" / FILE
    text = json.dumps(condensed(Path(sys.argv[1])), separators=(",", ":"), sort_keys=True)
    # No time in the archive's header, so that the same types give the same bytes.
    target.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    print(f"{target}: {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
