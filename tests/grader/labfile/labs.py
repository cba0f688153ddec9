"""A small lab on disk, and changes to it."""

from __future__ import annotations

from pathlib import Path

LAB = """\
title: Services
summary: Give a set of Pods one stable address.
minutes: 25
level: beginner
namespace: shop
images: [nginx:1.27]
parameters:
  port: {choose: [8080, 8081, 9090]}
tasks:
- id: expose
  title: Put a Service in front
  points: 3
  checks:
  - match:
      apiVersion: v1
      kind: Service
      metadata: {name: web}
      spec: {ports: [{port: "${port}"}]}
  - cel: slices.exists(s, size(s.endpoints) == 3)
    with:
      slices: {apiVersion: discovery.k8s.io/v1, kind: EndpointSlice}
"""
README = """\
# Services

## Put a Service in front

Let it listen on port ${port}, whatever ${HOME} is.
"""
SOLUTION = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: "nginx:1.27"}]}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports:
  - {port: 80, name: "p${port}"}
  - name: web
    port: ${port}
"""
WRONG = """\
seatrial:
  title: The selector has a typo
  loses: {expose: 1.5}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: wbe}, ports: [{port: 80}]}
"""


def write(root: Path, files: dict[str, str] | None = None, name: str = "09-services") -> Path:
    """The lab in a folder below `root`; `files` replace or add to its own, "" removes one."""
    folder = root / name
    own = {"lab.yaml": LAB, "README.md": README, "solution/web.yaml": SOLUTION, "wrong/01-typo.yaml": WRONG}
    for path, content in {**own, **(files or {})}.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if content:
            target.write_text(content, "utf-8")
    return folder


def changed(old: str, new: str, source: str = LAB) -> dict[str, str]:
    """The lab.yaml with one text replaced; the text must be there."""
    assert old in source, old
    return {"lab.yaml": source.replace(old, new)}
