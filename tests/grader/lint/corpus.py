"""Manifests that an API server accepts, and changes to them that it refuses, each with a word of our sentence."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import yaml

_GOOD = """
apiVersion: v1
kind: Pod
metadata: {name: pod, labels: {app: web, example.com/tier: "front"}, annotations: {example.com/Note: any thing}}
spec:
  initContainers: [{name: init, image: "busybox:1.36", restartPolicy: Always, command: [sleep, "1"]}]
  containers:
  - name: web
    image: nginx:1.27
    ports: [{containerPort: 80, name: http}, {containerPort: 443}]
    env: [{name: A, value: b}, {name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]
    resources: {requests: {cpu: 100m, memory: 64Mi}, limits: {cpu: 0.5, memory: 128Mi}}
    readinessProbe: {httpGet: {port: http, path: /}}
    livenessProbe: {tcpSocket: {port: 80}}
    volumeMounts: [{name: data, mountPath: /data}]
  volumes: [{name: data, emptyDir: {sizeLimit: 1Gi}}, {name: conf, configMap: {name: conf, defaultMode: 420}}]
  nodeSelector: {disk: ssd}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: deployment}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 25%, maxUnavailable: 1}}
  template:
    metadata: {labels: {app: web, tier: front}}
    spec: {containers: [{name: web, image: "nginx:1.27"}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: statefulset}
spec:
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: db, image: "redis:7", volumeMounts: [{name: data, mountPath: /data}]}]}
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: daemonset}
spec:
  selector: {matchExpressions: [{key: app, operator: In, values: [agent]}]}
  template: {metadata: {labels: {app: agent}}, spec: {containers: [{name: agent, image: "agent:1"}]}}
---
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: replicaset}
spec:
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: "nginx:1.27"}]}}
---
apiVersion: v1
kind: ReplicationController
metadata: {name: controller}
spec:
  replicas: 2
  selector: {app: web}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: "nginx:1.27"}]}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: job}
spec:
  completions: 2
  template: {spec: {restartPolicy: Never, containers: [{name: job, image: "busybox:1.36"}]}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: cronjob}
spec:
  schedule: "*/5 * * * *"
  jobTemplate: {spec: {template: {spec: {restartPolicy: OnFailure, containers: [{name: job, image: "busybox:1.36"}]}}}}
---
apiVersion: v1
kind: Service
metadata: {name: service}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}, {name: dns, port: 80, protocol: UDP}]}
---
apiVersion: v1
kind: Service
metadata: {name: headless}
spec: {clusterIP: None, selector: {app: db}}
---
apiVersion: v1
kind: Service
metadata: {name: external}
spec: {type: ExternalName, externalName: example.com}
---
apiVersion: v1
kind: Service
metadata: {name: nodeport}
spec: {type: NodePort, selector: {app: web}, ports: [{port: 80, nodePort: 30999}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: config.map}
data: {a.b_c-D: "1"}
binaryData: {raw: aGVsbG8=}
immutable: true
---
apiVersion: v1
kind: Secret
metadata: {name: secret}
type: Opaque
data: {password: aGVsbG8=}
stringData: {user: ada}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: claim}
spec: {accessModes: [ReadWriteOnce], storageClassName: standard, resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: volume}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteOnce]
  persistentVolumeReclaimPolicy: Retain
  hostPath: {path: /srv/data}
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: fast}
provisioner: example.com/disk
volumeBindingMode: WaitForFirstConsumer
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: autoscaler}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 2
  maxReplicas: 5
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: ingress}
spec:
  ingressClassName: nginx
  rules:
  - host: shop.example.com
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: policy}
spec: {podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: budget}
spec: {minAvailable: 50%, selector: {matchLabels: {app: web}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: "odd:name"}
rules: [{apiGroups: [""], resources: [pods], verbs: [get, list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: binding}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: ServiceAccount, name: default}]
---
apiVersion: v1
kind: Namespace
metadata: {name: namespace}
---
apiVersion: v1
kind: ResourceQuota
metadata: {name: quota}
spec: {hard: {pods: "10", requests.cpu: "2"}}
---
apiVersion: v1
kind: LimitRange
metadata: {name: range}
spec: {limits: [{type: Container, default: {cpu: 500m}, defaultRequest: {cpu: 100m}}]}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: account}
---
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: {name: high}
value: 1000
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: boats.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: boats, singular: boat, kind: Boat}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {sails: {type: integer}}}}}}
"""

DELETE = "(delete)"
_C = "spec.containers.0."
_T = "spec.template.spec."
# (name of the good object, the field that is changed, its new value, what our sentence says)
_BAD: list[tuple[str, str, Any, str]] = [
    ("pod", "metadata.name", "Upper", "lower-case"),
    ("pod", "metadata.name", "a" * 254, "longer"),
    ("pod", "metadata.labels.app", "a b", "label app"),
    ("pod", "metadata.labels", {"-a": "b"}, "label"),
    ("pod", "metadata.annotations", {"a b": "c"}, "annotation"),
    ("pod", "metadata.label", {}, 'did you mean "labels"'),
    ("pod", "spec.containers", [], "container"),
    ("pod", "spec.containers", DELETE, "spec.containers is missing"),
    ("pod", "spec", DELETE, "spec is missing"),
    ("pod", _C + "image", DELETE, "image"),
    ("pod", _C + "name", DELETE, "name is missing"),
    ("pod", _C + "name", "Web", "lower-case"),
    ("pod", _C + "name", "init", "two containers"),
    ("pod", _C + "ports.0.containerPort", 70000, "1 to 65535"),
    ("pod", _C + "ports.0.containerPort", "80", "whole number"),
    ("pod", _C + "ports.0.name", "far-too-long-a-name", "15"),
    ("pod", _C + "ports.1.name", "http", "two ports"),
    ("pod", _C + "ports.0.protocol", "tcp", 'did you mean "TCP"'),
    ("pod", _C + "env.0.value", 5, "text"),
    ("pod", _C + "env.1.value", "x", "one of them"),
    ("pod", _C + "resources.requests.cpu", "1 core", "quantity"),
    ("pod", _C + "resources.requests.cpu", "2", "limit"),
    ("pod", _C + "resources.requests.memory", "-1Gi", "less than nothing"),
    ("pod", _C + "readinessProbe.exec", {"command": ["true"]}, "readinessProbe needs one"),
    ("pod", _C + "readinessProbe.httpGet.port", 0, "1 to 65535"),
    ("pod", _C + "livenessProbe", {"periodSeconds": 3}, "none"),
    ("pod", _C + "volumeMounts.0.name", "dta", "does not have"),
    ("pod", _C + "imagePullPolicy", "Sometimes", "must be one of"),
    ("pod", _C + "imagePullPolice", "Always", 'did you mean "imagePullPolicy"'),
    ("pod", "spec.volumes.1.name", "data", "two volumes"),
    ("pod", "spec.volumes.0.hostPath", {"path": "/"}, "2 sources"),
    ("pod", "spec.restartPolicy", "Maybe", "must be one of"),
    ("pod", "spec.hostNetwork", "yes", "true or false"),
    ("pod", "spec.terminationGracePeriodSeconds", 1.5, "whole number"),
    ("deployment", "spec.replicas", -1, "less than nothing"),
    ("deployment", "spec.replicas", "3", "whole number"),
    ("deployment", "spec.replica", 3, 'did you mean "replicas"'),
    ("deployment", "spec.selector", DELETE, "spec.selector is missing"),
    ("deployment", "spec.selector", {}, "empty"),
    ("deployment", "spec.selector.matchLabels.app", "wbe", "app=wbe"),
    ("deployment", "spec.template.metadata.labels", DELETE, "no label app"),
    ("deployment", "spec.template.metadata.labels.tier", "a/b", "label tier"),
    ("deployment", _T + "restartPolicy", "Never", "must be Always"),
    ("deployment", _T + "containers.0.image", "", "no image"),
    ("deployment", "spec.strategy.type", "Recreate", "Recreate"),
    ("deployment", "spec.strategy.rollingUpdate", {"maxSurge": 0, "maxUnavailable": 0}, "both"),
    ("deployment", "spec.strategy.rollingUpdate.maxSurge", "a lot", "percentage"),
    ("deployment", "spec.strategy.rollingUpdate.maxUnavailable", "200%", "more than 100%"),
    ("deployment", "spec.strategy.type", "Rolling", "must be one of"),
    ("deployment", "spec.revisionHistoryLimit", -2, "less than nothing"),
    ("statefulset", _T + "containers.0.volumeMounts.0.name", "disk", "does not have"),
    ("statefulset", "spec.volumeClaimTemplates.0.spec.accessModes", DELETE, "accessModes"),
    ("daemonset", "spec.selector.matchExpressions.0.values", DELETE, "at least one value"),
    ("daemonset", "spec.selector.matchExpressions.0.operator", "Is", "must be In"),
    ("daemonset", "spec.replicas", 3, "no field"),
    ("replicaset", "spec.selector.matchLabels.app", "other", "would not select"),
    ("controller", "spec.selector.app", "other", "would not select"),
    ("controller", "spec.template", DELETE, "spec.template is missing"),
    ("job", _T + "restartPolicy", DELETE, "OnFailure or Never"),
    ("job", "spec.completions", -1, "less than nothing"),
    ("cronjob", "spec.schedule", "every day", "five fields"),
    ("cronjob", "spec.schedule", DELETE, "spec.schedule is missing"),
    ("service", "metadata.name", "a.b", "lower-case"),
    ("service", "spec.ports", DELETE, "spec.ports is missing"),
    ("service", "spec.ports.0.port", DELETE, "port is missing"),
    ("service", "spec.ports.0.port", 0, "1 to 65535"),
    ("service", "spec.ports.0.targetPort", 70000, "1 to 65535"),
    ("service", "spec.ports.0.targetPort", "a_b", "digits and dashes"),
    ("service", "spec.ports.0.name", DELETE, "must name each"),
    ("service", "spec.ports.0.name", "Http", "lower-case"),
    ("service", "spec.ports.1.name", "http", "two ports"),
    ("service", "spec.ports.1.protocol", "TCP", "twice"),
    ("service", "spec.ports.0.nodePort", 30080, "not for a Service of type ClusterIP"),
    ("service", "spec.type", "Nodeport", 'did you mean "NodePort"'),
    ("service", "spec.selector", {"app": 5}, "text"),
    ("service", "spec.selectors", {"app": "web"}, 'did you mean "selector"'),
    ("nodeport", "spec.ports.0.nodePort", 80, "30000"),
    ("external", "spec.externalName", DELETE, "externalName"),
    ("config.map", "data", {"a b": "c"}, "key"),
    ("config.map", "data", {"a": 1}, "text"),
    ("config.map", "data", {"a": True}, "text"),
    ("config.map", "data.raw", "x", "stands in data as well"),
    ("config.map", "binaryData.raw", "no base64!", "base64"),
    ("secret", "data.password", "not base64", "base64"),
    ("claim", "spec.accessModes", DELETE, "accessModes"),
    ("claim", "spec.accessModes", ["ReadWrite"], "must be one of"),
    ("claim", "spec.resources", DELETE, "how much storage"),
    ("claim", "spec.resources.requests.storage", "0", "more than nothing"),
    ("claim", "spec.resources.requests.storage", "1 GB", "quantity"),
    ("volume", "spec.hostPath", DELETE, "has none"),
    ("volume", "spec.nfs", {"server": "a", "path": "/"}, "has 2"),
    ("volume", "spec.capacity", DELETE, "how much storage"),
    ("volume", "spec.persistentVolumeReclaimPolicy", "Keep", "must be one of"),
    ("fast", "provisioner", DELETE, "provisioner is missing"),
    ("autoscaler", "spec.maxReplicas", 1, "more than maxReplicas"),
    ("autoscaler", "spec.maxReplicas", DELETE, "maxReplicas is missing"),
    ("autoscaler", "spec.maxReplicas", 0, "at least 1"),
    ("autoscaler", "spec.scaleTargetRef", DELETE, "scaleTargetRef is missing"),
    ("autoscaler", "spec.metrics.0.resource", DELETE, "needs the field"),
    ("autoscaler", "spec.targetCPUUtilizationPercentage", 50, "no field"),
    ("autoscaler", "apiVersion", "autoscaling/v2beta2", "use autoscaling/v2"),
    ("ingress", "spec.rules", DELETE, "needs rules"),
    ("ingress", "spec.rules.0.http.paths.0.pathType", DELETE, "pathType is missing"),
    ("ingress", "spec.rules.0.http.paths.0.path", "shop", "begin with"),
    ("ingress", "spec.rules.0.http.paths.0.backend.service.port", {"number": 80, "name": "http"}, "either"),
    ("ingress", "spec.rules.0.http.paths.0.backend", {"serviceName": "web"}, "no field"),
    ("ingress", "apiVersion", "extensions/v1beta1", "use networking.k8s.io/v1"),
    ("policy", "spec.policyTypes", ["In"], "must be one of"),
    ("budget", "spec.maxUnavailable", 1, "either"),
    ("budget", "spec.minAvailable", "half", "percentage"),
    ("odd:name", "metadata.name", "a/b", "may not hold"),
    ("odd:name", "rules.0.verbs", DELETE, "verbs is missing"),
    ("binding", "roleRef", DELETE, "roleRef is missing"),
    ("binding", "subjects.0.kind", "Robot", "User, Group or ServiceAccount"),
    ("namespace", "metadata.name", "a.b", "lower-case"),
    ("quota", "spec.hard.pods", "many", "quantity"),
    ("high", "value", 2**31, "whole number"),
    ("deployment", "apiVersion", "apps/v2", "apps/v1"),
    ("deployment", "kind", "Deploymnet", 'did you mean "Deployment"'),
]


def good() -> dict[str, dict[str, Any]]:
    """The objects that an API server accepts, by name."""
    return {o["metadata"]["name"]: o for o in yaml.safe_load_all(_GOOD)}


def bad() -> Iterator[tuple[str, dict[str, Any], str]]:
    """(what was changed, the object, a part of our sentence) of each object that an API server refuses."""
    objects = good()
    for name, path, value, said in _BAD:
        changed = copy.deepcopy(objects[name])
        keys = [int(key) if key.isdigit() else key for key in path.split(".")]
        here: Any = changed
        for key in keys[:-1]:
            here = here[key]
        if value == DELETE:
            del here[keys[-1]]
        else:
            here[keys[-1]] = value
        yield f"{name} {path} {str(value)[:40]}", changed, said
