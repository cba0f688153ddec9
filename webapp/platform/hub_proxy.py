"""The Hub's idea of the proxy: it keeps the portal's route, and notices one that was started anew."""

from __future__ import annotations

from typing import Any

from aiohttp import ClientError, ClientResponseError
from jupyterhub.httpclient import fetch
from jupyterhub.proxy import ConfigurableHTTPProxy
from jupyterhub.utils import url_path_join
from tornado.ioloop import PeriodicCallback
from traitlets import Unicode

from webapp.settings import PREFIX

# How often the proxy is asked, in seconds. JupyterHub by itself looks every five minutes.
EVERY = 0.5


class WatchedProxy(ConfigurableHTTPProxy):  # type: ignore[misc]
    """A proxy that is started by somebody else, and keeps its routes in its memory only."""

    portal = Unicode(help="Where the portal listens, as a URL. A service's own may not be a Unix socket.").tag(
        config=True
    )

    def __init__(self, **kwargs: Any) -> None:
        """Begin to watch."""
        super().__init__(**kwargs)
        self._watch = PeriodicCallback(self.look, EVERY * 1000)
        self._watch.start()

    async def look(self) -> None:
        """Give the proxy its routes where it has lost them. The portal's comes last: it says that all are there."""
        if not self.app._start_future.done():
            return
        url = url_path_join(self.api_url, "api/routes", PREFIX)
        try:
            await fetch(url, headers={"Authorization": f"token {self.auth_token}"})
        except ClientResponseError as fault:
            if fault.status != 404:
                self.log.warning("The proxy answers %s", fault.status)
                return
            self.log.info("The proxy knows no way to the portal: giving it every route")
            await self.check_routes(self.app.users, self.app._service_map)
            # Without the Hub's own mark, so that its checks leave this route alone.
            await self.api_request(PREFIX, method="POST", body={"target": self.portal})
        except (ClientError, OSError, TimeoutError):
            return  # it is being started; the next look comes in a second
