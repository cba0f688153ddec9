"""The Hub's sign-in over the portal's users. JupyterHub imports this; nothing of the portal does.

The Hub gets a name and no more: who is an instructor is the portal's to know, and nobody is the Hub's administrator.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from jupyterhub.auth import Authenticator
from jupyterhub.handlers.login import LogoutHandler
from sqlalchemy.orm import Session
from tornado.web import HTTPError
from traitlets import default

from webapp.accounts import names, services
from webapp.accounts.models import User
from webapp.database import Database, DatabaseFault
from webapp.errors import PortalError, Refused
from webapp.settings import from_environment

T = TypeVar("T")

# A password takes some 20 ms of a processor by design: two at a time, while the Hub goes on with everything else. What
# only asks the database does not wait behind a class that signs in.
_SIGN_INS = 2
_LOOKS = 4


class SignOut(LogoutHandler):  # type: ignore[misc]  # the Hub has no types
    """Signing out of the Hub, from JupyterLab's menu as well, signs the user out of the portal."""

    async def handle_logout(self) -> None:
        """End the portal's browser sessions of whoever was signed in."""
        user = self.current_user
        if user and isinstance(self.authenticator, PortalAuthenticator):
            await self.authenticator.sign_out(user.name)


class PortalAuthenticator(Authenticator):  # type: ignore[misc]
    """Lets in whoever has a name and a password in the portal's database and is not disabled."""

    @default("allow_all")
    def _allow_all(self) -> bool:
        return True  # `authenticate` has said already who may come in

    @default("enable_auth_state")
    def _enable_auth_state(self) -> bool:
        return True  # for the stamp, see `stamp`

    @default("auth_refresh_age")
    def _auth_refresh_age(self) -> int:
        return 1  # in seconds: a password that is changed, or a user who is disabled, is out at once

    @default("auth_refresh_strict")
    def _auth_refresh_strict(self) -> bool:
        return True  # also a token of somebody who was disabled is worth nothing

    def __init__(self, database: Database | None = None, **kwargs: Any) -> None:
        """Take the portal's database, by default the one of the environment's settings."""
        super().__init__(**kwargs)
        self.database = database or Database(from_environment().database_url)
        self.sign_ins = ThreadPoolExecutor(_SIGN_INS, thread_name_prefix="sign-in")
        self.looks = ThreadPoolExecutor(_LOOKS, thread_name_prefix="sign-in-look")

    def normalize_username(self, username: str) -> str:
        """As the portal stores it."""
        return names.normal(username)

    def get_handlers(self, app: Any) -> list[tuple[str, Any]]:
        """Our own sign-out in place of the Hub's."""
        return [("/logout", SignOut), *super().get_handlers(app)]

    async def authenticate(self, handler: Any, data: dict[str, str]) -> dict[str, Any] | None:
        """The user of the form, or None. A sentence on the form where it says more than "invalid"."""
        name, password = data.get("username", ""), data.get("password", "")
        if not name or not password:
            raise HTTPError(400, "Type your name and your password")
        address = str(handler.request.remote_ip)
        try:
            user = await self._write(self.sign_ins, lambda db: services.authenticate(db, name, password, address))
        except Refused as refused:
            raise HTTPError(refused.status, str(refused)) from refused
        except PortalError as fault:
            self.log.error("sign-in: %s", fault)
            raise HTTPError(503, f"You cannot be signed in just now: {fault}") from fault
        if user is None:
            return None
        return {"name": user.name, "admin": False, "auth_state": {"stamp": stamp(user)}}

    async def refresh_user(self, user: Any, handler: Any = None) -> bool:
        """Whether the user may still come in: not disabled, and the password is the one of the sign-in."""
        name = user.name
        try:
            found = await asyncio.get_running_loop().run_in_executor(self.looks, self._look, name)
        except DatabaseFault as fault:
            self.log.warning("%s stays signed in: %s", name, fault)
            return True
        if handler is not None and not hasattr(handler, "_token_authenticated"):
            # JupyterHub 6.1 reads it without having set it where a cookie signed the user in, and logs a traceback.
            handler._token_authenticated = False
        state = await user.get_auth_state() or {}
        return found is not None and found.active and state.get("stamp") == stamp(found)

    async def sign_out(self, name: str) -> None:
        """End the user's browser sessions at the portal."""
        try:
            await self._write(self.looks, lambda db: _sign_out(db, name))
        except DatabaseFault as fault:
            self.log.error("%s stays signed in at the portal: %s", name, fault)

    def _look(self, name: str) -> User | None:
        with self.database.reading() as db:
            return services.by_name(db, name)

    async def _write(self, workers: ThreadPoolExecutor, work: Callable[[Session], T]) -> T:
        def transaction() -> T:
            with self.database.transaction() as db:
                return work(db)

        return await asyncio.get_running_loop().run_in_executor(workers, transaction)


def stamp(user: User) -> str:
    """Changes with the password, and says nothing of it: a sign-in from before the change is worth nothing after it."""
    return hashlib.sha256(f"{user.id}:{user.password_hash}".encode()).hexdigest()[:32]


def _sign_out(db: Session, name: str) -> None:
    user = services.by_name(db, name)
    if user is not None:
        services.sign_out_everywhere(db, user)
        services.audit(db, user, "signed out", user.name)
