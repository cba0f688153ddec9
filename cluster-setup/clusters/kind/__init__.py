"""Clusters with real Pods: kind, whose nodes are containers of Docker or Podman."""

from clusters.kind.provider import KindProvider

__all__ = ["KindProvider"]
