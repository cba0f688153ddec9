# Everything by command, the cause before the update, percentages, and a bad image on the way that is corrected.
kubectl create deployment web --image=nginx:1.27-alpine --replicas=3
kubectl patch deployment web -p '{"spec": {"revisionHistoryLimit": ${history}}}'
kubectl patch deployment web -p '{"spec": {"strategy": {"rollingUpdate": {"maxUnavailable": "0%", "maxSurge": "100%"}}}}'
kubectl rollout status deployment web --timeout=60s
kubectl set image deployment web '*=nginx:1.28-alpine-slim'
kubectl rollout status deployment web --timeout=60s
kubectl annotate deployment web kubernetes.io/change-cause="nginx 1.28 for the new oven"
kubectl set image deployment web '*=nginx:1.28.1'
kubectl rollout status deployment web --timeout=60s
