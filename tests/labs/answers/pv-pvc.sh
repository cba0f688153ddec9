# The claim comes first and names its volume, the Pod has a helper, and the old claim goes before anybody thought of the policy.
kubectl apply -f - <<'YAML'
apiVersion: v1
kind: PersistentVolume
metadata: {name: ledger}
spec:
  capacity: {storage: ${size}}
  accessModes: [ReadWriteOnce, ReadOnlyMany]
  storageClassName: manual
  persistentVolumeReclaimPolicy: Retain
  hostPath: {path: /srv/ledger}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: ledger}
spec:
  accessModes: [ReadWriteOnce]
  storageClassName: manual
  volumeName: ledger
  resources: {requests: {storage: ${size}}}
---
apiVersion: v1
kind: Pod
metadata: {name: clerk}
spec:
  volumes:
  - {name: tmp, emptyDir: {}}
  - {name: x, persistentVolumeClaim: {claimName: ledger}}
  containers:
  - {name: helper, image: "busybox:1.37", command: [sleep, "3600"]}
  - {name: main, image: "nginx:1.27", volumeMounts: [{name: tmp, mountPath: /tmp}, {name: x, mountPath: /ledger}]}
YAML
kubectl delete pvc books-2024
kubectl wait --for=jsonpath='{.status.phase}'=Failed pv/old-books --timeout=60s
kubectl patch pv old-books -p '{"spec": {"persistentVolumeReclaimPolicy": "Retain"}}'
kubectl patch pv old-books -p '{"spec": {"claimRef": null}}'
kubectl apply -f - <<'YAML'
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: books-2025}
spec:
  accessModes: [ReadWriteOnce]
  storageClassName: shelf
  resources: {requests: {storage: 1Gi}}
YAML
