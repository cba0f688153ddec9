#!/usr/bin/env bash
# ---
# seatrial:
#   title: --cpu=${target} without the percent sign, which means ${target} thousandths of a core
#   loses: {autoscaler: 2, behaviour: 2}
# ---
set -euo pipefail
kubectl delete hpa web
kubectl autoscale deployment web --min=2 --max=8 --cpu=${target}
kubectl wait --for=condition=ScalingActive hpa/web --timeout=90s
kubectl wait --for=jsonpath='{.status.currentReplicas}'=2 hpa/web --timeout=60s
