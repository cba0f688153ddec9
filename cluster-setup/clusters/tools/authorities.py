"""Whom this machine trusts, for programs that know only authorities of their own: a company's proxy may sign anew."""

from __future__ import annotations

import ssl
from pathlib import Path

# Where Debian, and whoever follows it, has them.
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"


def authorities() -> Path | None:
    """The file (PEM) of the machine's certificate authorities, None where there is none."""
    known = ssl.get_default_verify_paths()
    return next((Path(path) for path in (known.cafile, BUNDLE) if path and Path(path).is_file()), None)
