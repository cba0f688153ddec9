#!/usr/bin/env bash
# ---
# seatrial:
#   title: The buoys were resized, not the lookout
#   loses: {controller: 3, resize: 2}
# ---
set -euo pipefail
kubectl scale rc buoy --replicas=${crew}
kubectl scale rc lookout --replicas=1
