#!/usr/bin/env bash
set -euo pipefail

kubectl rollout status deployment web --timeout=60s
kubectl set image deployment web nginx=nginx:1.28
kubectl annotate deployment web kubernetes.io/change-cause="Update to nginx 1.28"
kubectl rollout status deployment web --timeout=60s
