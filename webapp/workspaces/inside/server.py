"""The notebook server, as JupyterHub starts it, without what costs a second and a half and nobody here asks for.

Runs by itself in the student's own environment: `server.py`.
"""

import os
import runpy
import sys

# Checks the form of IRIs, of which no event of Jupyter's has any; its grammar is put together anew at each start: a
# second, and 26 MB. jsonschema does without where it is not there.
sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]
# JupyterLab asks a Node on PATH how it would be built anew, as soon as it is imported: half a second.
path, os.environ["PATH"] = os.environ["PATH"], ""
import jupyterlab.labapp  # noqa: E402, F401

os.environ["PATH"] = path
runpy.run_module("jupyterhub.singleuser", run_name="__main__", alter_sys=True)
