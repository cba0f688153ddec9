set -euo pipefail
kubectl delete configmap old-lamp
