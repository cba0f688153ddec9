#!/usr/bin/env bash
# ---
# seatrial:
#   title: The load was never taken away again
#   loses: {down: 3}
# ---
set -euo pipefail
if kubectl get nodes -o jsonpath='{.items[*].metadata.annotations}' | grep -q kwok.x-k8s.io/node; then
  kubectl annotate pods -l app=web kwok.x-k8s.io/usage-cpu=140m --overwrite
  kubectl wait --for=jsonpath='{.status.currentReplicas}'=$(( (280 + ${target} - 1) / ${target} )) hpa/web --timeout=120s
else
  kubectl scale deployment load --replicas=4
  for _ in $(seq 90); do
    [ "$(kubectl get hpa web -o jsonpath='{.status.currentReplicas}')" -gt 2 ] && exit
    sleep 2
  done
  exit 1
fi
