#!/usr/bin/env bash
# ---
# seatrial:
#   title: The student scaled the Deployment up and down by hand, and there is no autoscaler
#   loses: {autoscaler: 3, up: 4, behaviour: 2, down: 3}
#   instead_of: solution
# ---
set -euo pipefail
kubectl set resources deployment web --requests=cpu=100m
kubectl scale deployment web --replicas=6
kubectl rollout status deployment web --timeout=60s
kubectl scale deployment web --replicas=2
