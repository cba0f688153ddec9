#!/usr/bin/env bash
# ---
# seatrial:
#   title: Two copies instead of three
#   loses: {scale: 2}
# ---
set -euo pipefail
kubectl scale deployment web --replicas=2
