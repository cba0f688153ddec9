"""What a portal's service refuses."""

from __future__ import annotations


class PortalError(Exception):
    """A sentence for whoever reads the page or the terminal. Catch it where it is told."""


class Refused(PortalError):
    """Something that this user may not do, or that cannot be done now. `status` is the HTTP answer's."""

    def __init__(self, sentence: str, status: int = 400) -> None:
        """Keep the sentence and the status."""
        super().__init__(sentence)
        self.status = status
