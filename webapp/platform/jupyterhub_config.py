"""What JupyterHub reads when it starts."""

import os

from webapp.platform.hub import OWN, configure
from webapp.settings import from_environment

settings = from_environment()
c = get_config()  # type: ignore[name-defined]  # noqa: F821 - JupyterHub puts it here
configure(c, settings)
if (settings.data / OWN).is_file():
    load_subconfig(os.fspath(settings.data / OWN))  # type: ignore[name-defined]  # noqa: F821 - JupyterHub puts it here
