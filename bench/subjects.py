"""What is graded in the benchmarks: objects in a namespace, and the same assertions in three languages."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import orjson
import yaml

from clusters.kubectl import kubectl

KINDS = ("Deployment", "Service", "ConfigMap")


def objects(count: int) -> list[dict[str, Any]]:
    """`count` Deployments, Services and ConfigMaps."""
    made: list[dict[str, Any]] = []
    for i in range(count):
        labels = {"app": f"web-{i}"}
        pod = {"containers": [{"name": "web", "image": "nginx:1.27", "ports": [{"containerPort": 80}]}]}
        made += [
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": f"web-{i}"},
                "spec": {
                    "replicas": 1,
                    "selector": {"matchLabels": labels},
                    "template": {"metadata": {"labels": labels}, "spec": pod},
                },
            },
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": f"web-{i}"},
                "spec": {"selector": labels, "ports": [{"port": 8080, "targetPort": 80}]},
            },
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"web-{i}"}, "data": {"color": f"blue-{i}"}},
        ]
    return made


def expectations(count: int) -> list[dict[str, Any]]:
    """Of each object what is asserted: two fields or one."""
    asked: list[dict[str, Any]] = []
    for made in objects(count):
        head = {k: made[k] for k in ("apiVersion", "kind", "metadata")}
        if made["kind"] == "Deployment":
            asked.append({**head, "spec": {"replicas": 1}, "status": {"readyReplicas": 1}})
        elif made["kind"] == "Service":
            asked.append({**head, "spec": {"ports": [{"port": 8080, "targetPort": 80}]}})
        else:
            asked.append({**head, "data": made["data"]})
    return asked


def put(admin: Path, namespace: str, count: int) -> None:
    """Make the objects in a new namespace and wait for the Deployments."""
    kubectl(admin, "create", "namespace", namespace)
    documents = "---\n".join(yaml.safe_dump(o) for o in objects(count))
    kubectl(admin, "apply", "-n", namespace, "-f", "-", stdin=documents)
    kubectl(
        admin,
        "wait",
        "deployment",
        "--all",
        "-n",
        namespace,
        "--for=condition=Available",
        "--timeout=120s",
        timeout=130,
    )


def lab(folder: Path, namespace: str, checks: list[dict[str, Any]]) -> Path:
    """A lab's folder with one task a check."""
    folder.mkdir(parents=True)
    tasks = [{"id": f"t{i}", "title": f"Check {i}", "checks": [c]} for i, c in enumerate(checks)]
    text = {
        "title": "Bench", "summary": "What is measured.", "minutes": 1, "level": "beginner",
        "namespace": namespace, "tasks": tasks,
    }  # fmt: skip
    (folder / "lab.yaml").write_text(yaml.safe_dump(text, sort_keys=False))
    (folder / "README.md").write_text("# Bench\n" + "".join(f"\n## Check {i}\n" for i in range(len(checks))))
    return folder


def kuttl_file(file: Path, count: int) -> Path:
    """The same assertions as kuttl reads them."""
    file.write_text("---\n".join(yaml.safe_dump(e) for e in expectations(count)))
    return file


def shell_script(file: Path, kubectl_program: Path, namespace: str, count: int) -> Path:
    """The same assertions as `kubectl get -o jsonpath` lines of a shell script, a call each."""
    paths = {
        "Deployment": ("{.spec.replicas} {.status.readyReplicas}", "1 1"),
        "Service": ("{.spec.ports[0].port} {.spec.ports[0].targetPort}", "8080 80"),
    }
    lines = ["set -u", "lost=0"]
    for one in expectations(count):
        name, kind = one["metadata"]["name"], one["kind"]
        path, value = paths.get(kind) or ("{.data.color}", one["data"]["color"])
        got = f"$('{kubectl_program}' get {kind.lower()} {name} -n {namespace} -o jsonpath='{path}')"
        lines.append(f'[ "{got}" = "{value}" ] || lost=1')
    file.write_text("\n".join([*lines, "exit $lost"]) + "\n")
    return file


def pods(admin: Path, namespace: str, have: int, want: int) -> None:
    """Make Pods until there are `want` in the namespace, by eight connections at once."""
    from kubernetes import client, config

    configuration = client.Configuration()
    config.load_kube_config(str(admin), client_configuration=configuration)
    configuration.connection_pool_maxsize = 8
    api = client.ApiClient(configuration)
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "spec": {"automountServiceAccountToken": False, "containers": [{"name": "web", "image": "nginx:1.27"}]},
    }

    def one(i: int) -> None:
        body = json.loads(orjson.dumps({**pod, "metadata": {"name": f"pod-{i}", "labels": {"app": "many"}}}))
        client.CoreV1Api(api).create_namespaced_pod(namespace, body, _preload_content=False)

    with ThreadPoolExecutor(8) as crew:
        list(crew.map(one, range(have, want)))
