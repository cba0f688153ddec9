#!/usr/bin/env bash
# ---
# seatrial:
#   title: The old Pods were stopped, so that the ReplicaSet had to make new ones
#   loses: {replace: 2}
# ---
set -euo pipefail
kubectl delete pods -l app=signal
