"""A few plain requests to an API server that starts, where a kubectl for each would cost more than the rest."""

from __future__ import annotations

import http.client
import json
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from clusters.errors import ClusterError

# Where objects of the kinds that a cluster begins with are created.
COLLECTIONS = {
    "APIService": "/apis/apiregistration.k8s.io/v1/apiservices",
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "MutatingAdmissionPolicy": "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicies",
    "MutatingAdmissionPolicyBinding": "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicybindings",
    "Namespace": "/api/v1/namespaces",
    "Node": "/api/v1/nodes",
    "Service": "/api/v1/namespaces/{namespace}/services",
    "StorageClass": "/apis/storage.k8s.io/v1/storageclasses",
    "ValidatingAdmissionPolicy": "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
}
# The answers that mean that an object is there.
CREATED = (200, 201, 409)
# How long one request may take, in seconds.
TIMEOUT = 10.0


class Api:
    """One identity's connection to one API server. Not for two threads."""

    def __init__(self, server: str, pki: Path, identity: str) -> None:
        """`pki` holds ca.crt and the identity's .crt and .key."""
        context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        context.load_cert_chain(str(pki / f"{identity}.crt"), str(pki / f"{identity}.key"))
        address = urlsplit(server)
        self._connection = http.client.HTTPSConnection(
            str(address.hostname), address.port, context=context, timeout=TIMEOUT
        )

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, str]:
        """The status and the text of the answer; status 0 where nobody answers."""
        try:
            self._connection.request(
                method, path, json.dumps(body) if body is not None else None, {"Content-Type": "application/json"}
            )
            answer = self._connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as fault:
            self._connection.close()
            return 0, str(fault)

    def offer(self, thing: dict[str, Any]) -> tuple[int, str]:
        """Ask that an object be created: the status and the text of the answer."""
        return self.ask("POST", COLLECTIONS[thing["kind"]].format(**thing["metadata"]), thing)

    def create(self, thing: dict[str, Any]) -> None:
        """Create an object; one that is there already is left as it is. Raises ClusterError."""
        status, text = self.offer(thing)
        if status not in CREATED:
            raise ClusterError(
                f"the API server does not take {thing['kind']} {thing['metadata']['name']}: {text[:300]}"
            )
