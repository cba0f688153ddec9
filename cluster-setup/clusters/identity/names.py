"""What a student may be called: the name becomes the user of a certificate and of every line of the audit log."""

from __future__ import annotations

from clusters.errors import PermanentError

# X.509 allows a common name of 64 characters.
LONGEST = 64
# Names that mean something to Kubernetes or to us.
RESERVED = ("system:", "seatrial")


def check_student(name: str) -> None:
    """Raises PermanentError for a name that cannot be a student's."""
    if not name or len(name) > LONGEST or not name.isprintable() or name != name.strip():
        raise PermanentError(f"{name!r} cannot be a student's name: use 1 to {LONGEST} printable characters")
    if name.startswith(RESERVED):
        raise PermanentError(f"{name!r} cannot be a student's name: {' and '.join(RESERVED)} are the platform's")
