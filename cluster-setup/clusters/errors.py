"""What can go wrong with a cluster, each told in one sentence.

ClusterError        the base: catch it at the command line or at a page's edge
├── TransientError  worth another try after `retry_after` seconds
└── PermanentError  trying again changes nothing until somebody acts
    └── ToolMissing an upstream program is not installed
"""

from __future__ import annotations


class ClusterError(Exception):
    """Something about a cluster failed; the text says what, where, and what to do."""


class TransientError(ClusterError):
    """It may work in `retry_after` seconds."""

    def __init__(self, message: str, *, retry_after: float = 1.0) -> None:
        """Keep the sentence and the pause in seconds."""
        super().__init__(message)
        self.retry_after = retry_after


class PermanentError(ClusterError):
    """Somebody has to act first."""


class ToolMissing(PermanentError):
    """An upstream program is not in the cache."""
