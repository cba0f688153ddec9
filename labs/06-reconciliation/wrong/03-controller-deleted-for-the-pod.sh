#!/usr/bin/env bash
# ---
# seatrial:
#   title: Whoever wanted the Pod to be gone for good deleted its ReplicationController
#   loses: {resize: 2, heal: 2}
# ---
set -euo pipefail
kubectl delete rc lookout
