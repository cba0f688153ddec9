#!/usr/bin/env bash
# ---
# seatrial:
#   title: The volume was released, but its claimRef was left in place, so the new claim waits for ever
#   loses: {volume: 3, claim: 3, use: 2, reclaim: 3}
#   instead_of: solution
# ---
set -euo pipefail
kubectl patch pv old-books -p '{"spec": {"persistentVolumeReclaimPolicy": "Retain"}}'
kubectl delete pvc books-2024
kubectl wait --for=jsonpath='{.status.phase}'=Released pv/old-books --timeout=60s
kubectl apply -f - <<'YAML'
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: books-2025}
spec:
  accessModes: [ReadWriteOnce]
  storageClassName: shelf
  resources: {requests: {storage: 10Gi}}
YAML
