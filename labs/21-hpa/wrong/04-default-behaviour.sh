#!/usr/bin/env bash
# ---
# seatrial:
#   title: No behaviour was set, so it waits five minutes before it scales down
#   loses: {behaviour: 2}
# ---
set -euo pipefail
kubectl patch hpa web --type=json -p '[{"op": "remove", "path": "/spec/behavior"}]'
