#!/usr/bin/env bash
set -euo pipefail

# The setup's Pods must be there before they can be kept.
kubectl wait --for=jsonpath='{.status.readyReplicas}'=3 rc/signal --timeout=60s

kubectl scale rc lookout --replicas=${crew}
kubectl delete pod old-hand

kubectl delete rc signal --cascade=orphan
kubectl apply -f - <<'YAML'
apiVersion: apps/v1
kind: ReplicaSet
metadata:
  name: signal
spec:
  replicas: 3
  selector:
    matchLabels:
      app: signal
  template:
    metadata:
      labels:
        app: signal
    spec:
      containers:
      - name: lamp
        image: nginx:1.28
YAML
