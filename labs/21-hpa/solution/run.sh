#!/usr/bin/env bash
set -euo pipefail

kubectl set resources deployment web --requests=cpu=100m
kubectl rollout status deployment web --timeout=60s

# Two Pods at 140m each: so many Pods are needed that each has ${target} % of 100m to do.
kubectl annotate pods -l app=web kwok.x-k8s.io/usage-cpu=140m --overwrite
kubectl wait --for=jsonpath='{.status.currentReplicas}'=$(( (280 + ${target} - 1) / ${target} )) hpa/web --timeout=120s

kubectl annotate pods -l app=web kwok.x-k8s.io/usage-cpu-
kubectl wait --for=jsonpath='{.status.currentReplicas}'=2 hpa/web --timeout=120s
