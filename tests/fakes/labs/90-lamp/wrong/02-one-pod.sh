# ---
# seatrial:
#   title: One Pod is all there is
#   loses: {lamp: 4}
# ---
set -euo pipefail
kubectl scale deployment lamp --replicas=1
