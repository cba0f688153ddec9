"""The notebook server's settings; what is not named here is as Jupyter has it.

Which extensions there are stands in the JSON file beside, where Jupyter looks for that: those that no lab uses cost a
second and some 40 MB.
"""

from __future__ import annotations

import os
from pathlib import Path

from traitlets.config import get_config

c = get_config()

_bashrc = Path(__file__).resolve().parents[1] / "bashrc"
c.ServerApp.terminado_settings = {"shell_command": ["/bin/bash", "--rcfile", str(_bashrc), "-i"]}
# Without a sandbox it runs as whoever runs the portal, and the portal has said what that means.
c.ServerApp.allow_root = "SEATRIAL_SHARED" in os.environ
# The portal shows JupyterLab in a frame; nobody else may.
c.ServerApp.tornado_settings = {"headers": {"Content-Security-Policy": "frame-ancestors 'self'"}}
c.ServerApp.allow_remote_access = True  # it is reached by the name that the browser knows the portal by
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
c.LabApp.news_url = None
c.LabApp.extension_manager = "readonly"
# A full home must not keep the server from starting.
c.NotebookNotary.db_file = ":memory:"
c.FileContentsManager.always_delete_dir = True
c.FileContentsManager.delete_to_trash = False
# An idle kernel is some 60 MB.
c.MappingKernelManager.cull_idle_timeout = 1800
c.MappingKernelManager.cull_interval = 120
