"""A notebook in a lab's folder talks to the cluster of that lab, as a terminal there does."""

from __future__ import annotations

from pathlib import Path

# The loader's own: what traitlets.config has of this name is the running application's, which then sees no change.
c = get_config()  # type: ignore[name-defined]  # noqa: F821

_own = Path.cwd() / "kubeconfig"
if _own.is_file():
    c.InteractiveShellApp.exec_lines = [f"import os; os.environ['KUBECONFIG'] = {str(_own)!r}; del os"]
# History is a database that a full home cannot take.
c.HistoryManager.enabled = False
