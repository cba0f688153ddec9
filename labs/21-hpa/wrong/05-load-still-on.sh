#!/usr/bin/env bash
# ---
# seatrial:
#   title: The load was never taken away again
#   loses: {down: 3}
# ---
set -euo pipefail
kubectl annotate pods -l app=web kwok.x-k8s.io/usage-cpu=140m --overwrite
kubectl wait --for=jsonpath='{.status.currentReplicas}'=$(( (280 + ${target} - 1) / ${target} )) hpa/web --timeout=120s
