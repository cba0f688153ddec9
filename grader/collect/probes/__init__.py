"""Ask real Pods, from outside of the student's reach: with the platform's identity, through the API server alone.

asking     the probes of a lab, side by side, each within its time -> what was replied
targets    a Service or Pod as the Pods and ports that may be asked; whatever else it leads to is refused
web        http and tcp
names      dns, at the cluster's own name server
inside     exec and logs
forwarding, executing   the streams of the API server that these use, over websocket

Nothing here follows an address that a student could have written. A connection goes to a Pod by the Pod's name; its
address is the one that the kubelet reported, and the API server refuses those that are loopback or link-local. What a
Pod answers is read up to `limits.READ` bytes and for a limited time, however much of it there is.
"""

from grader.collect.probes.asking import ask

__all__ = ["ask"]
