#!/usr/bin/env bash
# ---
# seatrial:
#   title: The change cause was put on the Pods
#   loses: {replicas: 3, unavailable: 2, history: 1, cause: 2}
#   instead_of: solution
# ---
set -euo pipefail
kubectl create deployment web --image=nginx:1.27 --replicas=1
kubectl rollout status deployment web --timeout=60s
kubectl set image deployment web nginx=nginx:1.28
kubectl rollout status deployment web --timeout=60s
kubectl annotate pods -l app=web kubernetes.io/change-cause="Update to nginx 1.28"
