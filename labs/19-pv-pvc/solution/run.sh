#!/usr/bin/env bash
set -euo pipefail

kubectl patch pv old-books -p '{"spec": {"persistentVolumeReclaimPolicy": "Retain"}}'
kubectl delete pvc books-2024
kubectl wait --for=jsonpath='{.status.phase}'=Released pv/old-books --timeout=60s
kubectl patch pv old-books --type=json -p '[{"op": "remove", "path": "/spec/claimRef"}]'
kubectl wait --for=jsonpath='{.status.phase}'=Available pv/old-books --timeout=60s
kubectl apply -f - <<'YAML'
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: books-2025
spec:
  accessModes:
  - ReadWriteOnce
  storageClassName: shelf
  resources:
    requests:
      storage: 10Gi
YAML
kubectl wait --for=jsonpath='{.status.phase}'=Bound pvc/books-2025 --timeout=60s
