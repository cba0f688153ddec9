#!/usr/bin/env bash
# ---
# seatrial:
#   title: The orders were scaled, not the web Pods
#   loses: {slices: 3}
# ---
set -euo pipefail
kubectl scale deployment web --replicas=2
kubectl scale deployment orders --replicas=${replicas}
