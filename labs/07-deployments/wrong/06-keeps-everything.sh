#!/usr/bin/env bash
# ---
# seatrial:
#   title: The history limit is left at its default, 10
#   loses: {history: 1}
# ---
set -euo pipefail
kubectl patch deployment web --type=json -p '[{"op": "remove", "path": "/spec/revisionHistoryLimit"}]'
