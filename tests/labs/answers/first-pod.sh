# All in one command, with the registry's name, a patch release and a lighter variant; and a helper beside the web server.
kubectl run hello --image=docker.io/library/nginx:1.27.4-alpine --labels=app=hello,tier=frontend,owner=me --port=80
kubectl delete pod hello --now
kubectl apply -f - <<'YAML'
apiVersion: v1
kind: Pod
metadata: {name: hello, labels: {app: hello, tier: frontend, owner: me}}
spec:
  containers:
  - {name: helper, image: "busybox:1.37", command: [sleep, "3600"]}
  - {name: anything, image: "docker.io/library/nginx:1.27.4-alpine", ports: [{containerPort: 80}, {containerPort: 443}]}
YAML
