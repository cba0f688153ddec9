"""How gunicorn serves the portal: one process, so that the watches of a cluster are shared by all who look on."""

from __future__ import annotations

import os
import signal
from typing import Any

from webapp.platform.parent import end_with_parent
from webapp.settings import from_environment

settings = from_environment()

bind = f"unix:{settings.run / 'portal.sock'}"
umask = 0o077
worker_class = "gthread"
workers = 1
# The pages are read in the worker alone. Reading them before it is made, to share them, takes more: 112 MB for 98.
preload_app = False
# A browser that looks on live keeps one for as long as it looks; the others are for a class that clicks.
threads = 256
worker_connections = 2048
# The proxy gets a connection for each request. One that is kept may be closed here just when the proxy sends the next
# request on it: under load a page in forty was answered 503.
keepalive = 0
timeout = 60
graceful_timeout = 3
accesslog = None
errorlog = "-"
control_socket_disable = True
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - memory instead of a slow disk


def post_fork(_arbiter: Any, _worker: Any) -> None:
    """A worker does not outlive a killed gunicorn: it would answer at a socket that has a new owner."""
    end_with_parent(signal.SIGKILL)
