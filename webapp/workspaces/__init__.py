"""The student's shell and JupyterLab: the sandbox, its relay, its terminals."""
