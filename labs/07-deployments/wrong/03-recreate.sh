#!/usr/bin/env bash
# ---
# seatrial:
#   title: Recreate, which stops all Pods before it starts new ones
#   loses: {unavailable: 2}
# ---
set -euo pipefail
kubectl patch deployment web -p '{"spec": {"strategy": {"type": "Recreate", "rollingUpdate": null}}}'
