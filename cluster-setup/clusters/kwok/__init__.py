"""The embedded provider: the real control plane as plain processes, and KWOK playing the kubelets."""

from clusters.kwok.provider import KwokProvider

__all__ = ["KwokProvider"]
