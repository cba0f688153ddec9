"""Passwords: drawn, checked for length, hashed by argon2id."""

from __future__ import annotations

import functools
import secrets

import argon2
from argon2.exceptions import InvalidHashError, VerificationError

from webapp.errors import PortalError

SHORTEST = 8
LONGEST = 1024  # in UTF-8 bytes: a longer one would only cost time
# Without the characters that are taken for one another: 16 of 31 make 79 bits.
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
# OWASP's password storage cheat sheet: 19 MiB, two passes, one lane. A class that signs in at once fits into memory.
_HASHER = argon2.PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def draw() -> str:
    """A password that nobody guesses and everybody can type: k7mf-2xqd-93ab-vwpc."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(4))


def hashed(password: str) -> str:
    """The hash to store. Raises PortalError for one that is too short or too long."""
    check(password)
    return _HASHER.hash(_bytes(password))


def check(password: str) -> None:
    """Raise PortalError for a password that is too short or too long."""
    if len(password) < SHORTEST:
        raise PortalError(f"the password is too short: take at least {SHORTEST} characters")
    if len(_bytes(password)) > LONGEST:
        raise PortalError(f"the password is too long: take at most {LONGEST} bytes")


def verify(stored: str | None, password: str) -> bool:
    """Whether the password is the one of the hash. Takes as long where there is no hash."""
    given = _bytes(password)
    try:
        matches = _HASHER.verify(stored or _nobody(), given[: LONGEST + 1])
    except (VerificationError, InvalidHashError):
        return False
    return matches and stored is not None and len(given) <= LONGEST


def outdated(stored: str) -> bool:
    """Whether the hash was made with other parameters than today's."""
    return _HASHER.check_needs_rehash(stored)


@functools.cache
def _nobody() -> str:
    return _HASHER.hash(secrets.token_hex(16))


def _bytes(password: str) -> bytes:
    # A lone surrogate, which a form can carry, has no UTF-8.
    return password.encode("utf-8", "surrogatepass")
