#!/usr/bin/env bash
# ---
# seatrial:
#   title: The update was undone, and the Deployment is back at nginx 1.27
#   loses: {rollout: 4, cause: 1}
# ---
set -euo pipefail
kubectl rollout undo deployment web
kubectl rollout status deployment web --timeout=60s
