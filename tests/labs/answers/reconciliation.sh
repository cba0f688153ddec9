# The selector is left to the API server, the number is changed by a patch, the Pod goes before the resize, and the new
# ReplicaSet selects by an expression and is given one Pod to make.
kubectl apply -f - <<'YAML'
apiVersion: v1
kind: ReplicationController
metadata: {name: buoy}
spec:
  replicas: 2
  template:
    metadata: {labels: {app: buoy, colour: red}}
    spec: {containers: [{name: x, image: "registry.k8s.io/pause:3.10"}]}
YAML
kubectl delete pod old-hand --now
kubectl patch rc lookout -p '{"spec": {"replicas": ${crew}}}'
kubectl wait --for=jsonpath='{.status.readyReplicas}'=3 rc/signal --timeout=60s
kubectl delete rc signal --cascade=orphan
kubectl delete "$(kubectl get pods -l app=signal -o name | head -1)" --now
kubectl apply -f - <<'YAML'
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: signal}
spec:
  replicas: 3
  selector: {matchLabels: {app: signal}, matchExpressions: [{key: app, operator: In, values: [signal]}]}
  template:
    metadata: {labels: {app: signal}}
    spec: {containers: [{name: x, image: "nginx:1.28-alpine"}]}
YAML
