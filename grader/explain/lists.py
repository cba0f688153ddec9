"""Which lists, beside those that the checks themselves need, the explanations read. Each costs a request."""

from __future__ import annotations

from grader.explain.objects import kind_word
from grader.model import Want

_POD, _EVENT, _NODE = ("v1", "Pod"), ("v1", "Event"), ("v1", "Node")
_SERVICE, _QUOTA = ("v1", "Service"), ("v1", "ResourceQuota")
_CLAIM, _VOLUME = ("v1", "PersistentVolumeClaim"), ("v1", "PersistentVolume")
_CLASS, _SETS = ("storage.k8s.io/v1", "StorageClass"), ("apps/v1", "ReplicaSet")
_DEPLOYMENT, _JOB = ("apps/v1", "Deployment"), ("batch/v1", "Job")
_ROLE, _CLUSTER_ROLE = ("rbac.authorization.k8s.io/v1", "Role"), ("rbac.authorization.k8s.io/v1", "ClusterRole")
_NAMESPACE = ("v1", "Namespace")

_MADE_OF_PODS = (_POD, _EVENT, _NODE)
# Kind -> what its rules, and those of what it depends on, read.
_READ: dict[str, tuple[tuple[str, str], ...]] = {
    "Pod": (*_MADE_OF_PODS, _SETS, _QUOTA),
    "Deployment": (*_MADE_OF_PODS, _SETS),
    "ReplicaSet": _MADE_OF_PODS,
    "ReplicationController": _MADE_OF_PODS,
    "StatefulSet": (*_MADE_OF_PODS, _SERVICE),
    "DaemonSet": _MADE_OF_PODS,
    "Job": _MADE_OF_PODS,
    "CronJob": (_JOB, *_MADE_OF_PODS),
    "Service": (_POD, _EVENT, _SETS, _NODE),
    "EndpointSlice": (_SERVICE, _POD, _EVENT, _SETS, _NODE),
    "Ingress": (_SERVICE, _POD, ("networking.k8s.io/v1", "IngressClass")),
    "NetworkPolicy": (_POD,),
    "PodDisruptionBudget": (_POD, _EVENT),
    "HorizontalPodAutoscaler": (_DEPLOYMENT, _SETS, _POD, _EVENT, _NODE),
    "PersistentVolumeClaim": (_VOLUME, _CLASS, _POD, _EVENT, _QUOTA),
    "PersistentVolume": (_CLAIM, _CLASS),
    "RoleBinding": (_ROLE, _CLUSTER_ROLE, ("v1", "ServiceAccount")),
    "ClusterRoleBinding": (_CLUSTER_ROLE,),
}
_CLUSTER_SCOPED = frozenset(
    {"Namespace", "Node", "PersistentVolume", "StorageClass", "ClusterRole", "ClusterRoleBinding", "IngressClass"}
)
# Where a forgotten namespace puts things.
_USUAL_WRONG_PLACE = "default"


def related(wants: frozenset[Want]) -> frozenset[Want]:
    """The further lists that explanations read for checks that look at `wants`, none of which is among them.

    Whoever collects may leave any of them out, or fail to get one: the explanation is then the poorer, and the grade
    the same.
    """
    further: set[Want] = set()
    for want in wants:
        word = kind_word(want.api_version, want.kind)
        for api_version, kind in (*_READ.get(word, ()), _NAMESPACE):
            further.add(Want(api_version, kind, "" if kind in _CLUSTER_SCOPED else want.namespace))
        if word not in _CLUSTER_SCOPED and want.namespace not in ("*", _USUAL_WRONG_PLACE):
            further.add(Want(want.api_version, want.kind, _USUAL_WRONG_PLACE))
    known = {(w.api_version, w.kind, "" if w.kind in _CLUSTER_SCOPED else w.namespace) for w in wants}
    return frozenset(w for w in further if not _covered(w, known))


def _covered(want: Want, known: set[tuple[str, str, str]]) -> bool:
    return bool({(want.api_version, want.kind, space) for space in (want.namespace, "*")} & known)
