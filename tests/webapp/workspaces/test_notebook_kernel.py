"""What a notebook's kernel reads when it starts."""

from __future__ import annotations

from pathlib import Path

import pytest
from traitlets.config import Application, PyFileConfigLoader

from webapp import workspaces

INSIDE = Path(workspaces.__file__).parent / "inside" / "ipython"


def test_a_notebook_in_a_labs_folder_talks_to_that_labs_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an application reads it that runs already, as the kernel's does: what it is given must arrive as news."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kubeconfig").touch()
    Application.clear_instance()
    try:
        Application.instance()
        read = PyFileConfigLoader("ipython_kernel_config.py", str(INSIDE)).load_config()
    finally:
        Application.clear_instance()
    (line,) = read.InteractiveShellApp.exec_lines
    assert repr(str(tmp_path / "kubeconfig")) in line
