#!/usr/bin/env bash
# ---
# seatrial:
#   title: The Pods ask for memory and not for CPU, so there is nothing to take a percentage of
#   loses: {requests: 2, autoscaler: 1}
# ---
set -euo pipefail
kubectl set resources deployment web --requests=cpu=0,memory=64Mi
kubectl rollout status deployment web --timeout=60s
kubectl wait --for=condition=ScalingActive=False hpa/web --timeout=90s
