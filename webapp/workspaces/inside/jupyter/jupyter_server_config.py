"""The notebook server's settings. What is not named here is as Jupyter has it."""

from __future__ import annotations

from traitlets.config import get_config

c = get_config()

c.ServerApp.jpserver_extensions = {
    "jupyterlab": True,
    "jupyter_server_terminals": True,
    # Not used by any lab, and some 40 MB.
    "jupyter_lsp": False,
    "notebook": False,
    "notebook_shim": False,
    "nbgrader.server_extensions.assignment_list": False,
    "nbgrader.server_extensions.course_list": False,
    "nbgrader.server_extensions.formgrader": False,
    "nbgrader.server_extensions.validate_assignment": False,
}
c.ServerApp.terminado_settings = {"shell_command": ["/bin/bash", "--rcfile", "/etc/seatrial/bashrc", "-i"]}
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
