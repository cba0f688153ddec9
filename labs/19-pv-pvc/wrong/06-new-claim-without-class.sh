#!/usr/bin/env bash
# ---
# seatrial:
#   title: The new claim names no class and is given a new volume; the old one stays free
#   loses: {reclaim: 3}
# ---
set -euo pipefail
kubectl delete pvc books-2025
kubectl wait --for=jsonpath='{.status.phase}'=Released pv/old-books --timeout=60s
kubectl patch pv old-books --type=json -p '[{"op": "remove", "path": "/spec/claimRef"}]'
kubectl apply -f - <<'YAML'
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: books-2025}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 10Gi}}
YAML
