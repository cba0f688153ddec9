#!/usr/bin/env bash
# ---
# seatrial:
#   title: The claim was deleted while the policy was still Delete
#   loses: {volume: 3, claim: 3, use: 2, retain: 2, reclaim: 3}
#   instead_of: solution
# ---
set -euo pipefail
kubectl delete pvc books-2024
