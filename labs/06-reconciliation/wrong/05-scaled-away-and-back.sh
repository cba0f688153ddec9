#!/usr/bin/env bash
# ---
# seatrial:
#   title: old-hand went by scaling to 0 and back, and the student never deleted a Pod; the rest is left alone
#   loses: {controller: 3, heal: 2, replace: 5}
#   instead_of: solution
# ---
set -euo pipefail
kubectl scale rc lookout --replicas=0
kubectl wait --for=delete pod/old-hand --timeout=60s
kubectl scale rc lookout --replicas=${crew}
