"""What the platform's identity may do, by the API server's own word."""

from __future__ import annotations

import orjson

from grader.collect.access import connect
from grader.collect.kubeconfig import Kubeconfig

_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


def may_connect(at: Kubeconfig, namespace: str) -> bool:
    """Whether this identity may use the proxy to Pods. A review is answered and not kept, so nothing is written.

    Raises OSError and HTTPException.
    """
    asked = {"namespace": namespace, "verb": "get", "resource": "pods", "subresource": "proxy"}
    kind = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
    connection = connect(at)
    try:
        body = orjson.dumps({**kind, "spec": {"resourceAttributes": asked}})
        headers = {"Content-Type": "application/json", "Accept": "application/json", **at.headers}
        connection.request("POST", at.server.path.rstrip("/") + _REVIEWS, body, headers)
        try:
            review = orjson.loads(connection.getresponse().read())
        except orjson.JSONDecodeError:
            return False
    finally:
        connection.close()
    return bool(isinstance(review, dict) and (review.get("status") or {}).get("allowed"))
