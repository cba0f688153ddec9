# By command, with the container's port by its name, a chosen node port, a headless Service without ports, and the
# Service that was broken made anew.
kubectl scale deployment web --replicas=${replicas}
kubectl expose deployment web --port=${port} --target-port=http
kubectl expose deployment web --name=web-public --type=NodePort --port=8081 --target-port=80
kubectl patch service web-public -p '{"spec": {"ports": [{"port": 8081, "targetPort": 80, "nodePort": 31808}]}}'
kubectl apply -f - <<'YAML'
apiVersion: v1
kind: Service
metadata: {name: web-pods}
spec: {clusterIP: None, selector: {app: web}}
YAML
kubectl delete service orders
kubectl expose deployment orders --port=80
