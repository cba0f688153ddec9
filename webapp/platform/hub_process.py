"""`python -m webapp.platform.hub_process -f FILE`: JupyterHub, without what takes a second and 26 MB for nothing.

jsonschema, by which the Hub's events are checked, takes a grammar of IRIs where there is one, and does without where
there is none; no event has any.
"""

import runpy
import sys

if __name__ == "__main__":
    sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]
    runpy.run_module("jupyterhub", run_name="__main__", alter_sys=True)
