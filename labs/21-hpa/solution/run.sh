#!/usr/bin/env bash
set -euo pipefail

# Whether the autoscaler has ever said so of a change: "above target" or "below target".
has_scaled() {
  kubectl get events --field-selector=reason=SuccessfulRescale,involvedObject.name=web \
    -o jsonpath='{.items[*].message}' | grep -q "$1"
}
wait_for() {
  for _ in $(seq 90); do has_scaled "$1" && return; sleep 2; done
  echo "the autoscaler has not scaled because of a load $1" >&2
  return 1
}

kubectl set resources deployment web --requests=cpu=100m
kubectl rollout status deployment web --timeout=120s

if kubectl get nodes -o jsonpath='{.items[*].metadata.annotations}' | grep -q kwok.x-k8s.io/node; then
  # Two Pods at 140m each: so many Pods are needed that each has ${target} % of 100m to do.
  kubectl annotate pods -l app=web kwok.x-k8s.io/usage-cpu=140m --overwrite
  kubectl wait --for=jsonpath='{.status.currentReplicas}'=$(( (280 + ${target} - 1) / ${target} )) hpa/web --timeout=120s
  kubectl annotate pods -l app=web kwok.x-k8s.io/usage-cpu-
else
  kubectl wait --for=condition=ScalingActive hpa/web --timeout=120s
  kubectl scale deployment load --replicas=4
  wait_for "above target"
  kubectl scale deployment load --replicas=0
  wait_for "below target"
fi
kubectl wait --for=jsonpath='{.status.currentReplicas}'=2 hpa/web --timeout=180s
