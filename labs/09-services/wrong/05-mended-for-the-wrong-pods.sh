#!/usr/bin/env bash
# ---
# seatrial:
#   title: The Service orders reaches Pods again, but those of the web Deployment
#   loses: {mend: 3}
# ---
set -euo pipefail
kubectl set selector service orders app=web
