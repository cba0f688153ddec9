"""What the API server refuses in what runs Pods, and in what scales and protects them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from grader.lint import names
from grader.lint.fields import items, mapping, negative, share
from grader.lint.pods import pod, template
from grader.lint.storage import claim
from grader.lint.structure import Keys, Problem, dotted

_ALWAYS, _JOB = ("Always",), ("OnFailure", "Never")


def workload(value: dict[str, Any]) -> Iterator[Problem]:
    """A Deployment, ReplicaSet, StatefulSet or DaemonSet: template, replicas, and a selector that selects it."""
    spec = mapping(value, "spec")
    yield from template(spec.get("template"), ("spec", "template"), _ALWAYS)
    yield from negative(spec.get("replicas"), ("spec", "replicas"))
    yield from negative(spec.get("revisionHistoryLimit"), ("spec", "revisionHistoryLimit"))
    yield from _selects_itself(spec, mapping(spec, "selector", "matchLabels"), ("spec", "selector", "matchLabels"))
    yield from _selector(spec.get("selector"), ("spec", "selector"))


def _selector(value: Any, keys: Keys) -> Iterator[Problem]:
    if isinstance(value, dict) and not value.get("matchLabels") and not value.get("matchExpressions"):
        yield Problem(keys, f"{dotted(keys)} is empty: it would select every Pod")
    yield from names.labels(mapping(value, "matchLabels"), (*keys, "matchLabels"))
    for i, one in enumerate(items(value, "matchExpressions")):
        needs = one.get("operator") in ("In", "NotIn")
        if one.get("operator") not in ("In", "NotIn", "Exists", "DoesNotExist"):
            message = f"operator is {one.get('operator')}, must be In, NotIn, Exists or DoesNotExist"
            yield Problem((*keys, "matchExpressions", i), message)
        elif needs != bool(one.get("values")):
            message = f"operator {one['operator']} takes {'at least one value' if needs else 'no values'}"
            yield Problem((*keys, "matchExpressions", i), message)


def _selects_itself(spec: dict[str, Any], wanted: dict[str, Any], keys: Keys) -> Iterator[Problem]:
    labels = mapping(spec, "template", "metadata", "labels")
    for key, text in wanted.items():
        if labels.get(key) != text:
            has = f"{key}={labels[key]}" if key in labels else f"no label {key}"
            message = f"the selector asks for {key}={text}, the template has {has}: it would not select its own Pods"
            yield Problem((*keys, key), message)


def deployment(value: dict[str, Any]) -> Iterator[Problem]:
    """A Deployment."""
    yield from workload(value)
    strategy, keys = mapping(value, "spec", "strategy"), ("spec", "strategy")
    rolling = mapping(strategy, "rollingUpdate")
    if strategy.get("type") == "Recreate" and rolling:
        yield Problem(keys, "strategy Recreate takes no rollingUpdate")
    if rolling.get("maxSurge") in (0, "0%") and rolling.get("maxUnavailable") in (0, "0%"):
        yield Problem((*keys, "rollingUpdate"), "maxSurge and maxUnavailable may not both be 0: nothing could move")
    for field in ("maxSurge", "maxUnavailable"):
        yield from share(rolling.get(field), (*keys, "rollingUpdate", field), most=100 if field[3] == "U" else None)


def replication_controller(value: dict[str, Any]) -> Iterator[Problem]:
    """A ReplicationController."""
    spec = mapping(value, "spec")
    if spec.get("template") is None:
        yield Problem(("spec",), "spec.template is missing, and it is required")
        return
    yield from template(spec.get("template"), ("spec", "template"), _ALWAYS)
    yield from negative(spec.get("replicas"), ("spec", "replicas"))
    labels = mapping(spec, "template", "metadata", "labels")
    if not spec.get("selector") and not labels:
        yield Problem(("spec",), "needs a selector, or labels in the template to select by")
    yield from _selects_itself(spec, mapping(spec, "selector"), ("spec", "selector"))


def bare_pod(value: dict[str, Any]) -> Iterator[Problem]:
    """A Pod."""
    if not mapping(value, "spec"):
        yield Problem((), "spec is missing, and it is required")
    yield from pod(mapping(value, "spec"), ("spec",))


def job(value: dict[str, Any]) -> Iterator[Problem]:
    """A Job."""
    yield from _job_spec(mapping(value, "spec"), ("spec",))


def _job_spec(spec: dict[str, Any], keys: Keys) -> Iterator[Problem]:
    yield from template(spec.get("template"), (*keys, "template"), _JOB)
    for field in ("parallelism", "completions", "backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished"):
        yield from negative(spec.get(field), (*keys, field))


def cron_job(value: dict[str, Any]) -> Iterator[Problem]:
    """A CronJob."""
    spec = mapping(value, "spec")
    yield from _job_spec(mapping(spec, "jobTemplate", "spec"), ("spec", "jobTemplate", "spec"))
    schedule = spec.get("schedule")
    if isinstance(schedule, str) and not _SCHEDULE.fullmatch(schedule.strip()):
        message = f'spec.schedule is "{schedule}"; it needs five fields like "*/5 * * * *", or a word like @daily'
        yield Problem(("spec", "schedule"), message)


_FIELD = r"[0-9A-Za-z*/,?-]+"


_SCHEDULE = re.compile(
    rf"(?:{_FIELD}\s+){{4}}{_FIELD}|@(?:yearly|annually|monthly|weekly|daily|midnight|hourly|every \S+)"
)


def stateful_set(value: dict[str, Any]) -> Iterator[Problem]:
    """A StatefulSet."""
    spec = mapping(value, "spec")
    claims = items(spec, "volumeClaimTemplates")
    # Claim templates are volumes of the Pods as well.
    inner = mapping(spec, "template", "spec")
    volumes = items(inner, "volumes") + [{"name": mapping(c, "metadata").get("name")} for c in claims]
    widened = {**spec, "template": {**mapping(spec, "template"), "spec": {**inner, "volumes": volumes}}}
    yield from workload({**value, "spec": widened})
    for i, one in enumerate(claims):
        yield from claim(one, ("spec", "volumeClaimTemplates", i))


def autoscaler(value: dict[str, Any]) -> Iterator[Problem]:
    """A HorizontalPodAutoscaler."""
    spec = mapping(value, "spec")
    least, most = spec.get("minReplicas", 1), spec.get("maxReplicas")
    if isinstance(most, int) and most < 1:
        yield Problem(("spec", "maxReplicas"), f"spec.maxReplicas is {most}; it must be at least 1")
    elif isinstance(least, int) and isinstance(most, int) and least > most:
        yield Problem(("spec", "minReplicas"), f"spec.minReplicas is {least}, more than maxReplicas, {most}")
    if isinstance(spec.get("minReplicas"), int) and spec["minReplicas"] < 1:
        yield Problem(("spec", "minReplicas"), f"spec.minReplicas is {spec['minReplicas']}; it must be at least 1")
    for i, metric in enumerate(items(spec, "metrics")):
        kind = str(metric.get("type"))
        source = kind[:1].lower() + kind[1:]
        if metric.get("type") and source not in metric:
            yield Problem(("spec", "metrics", i), f'a metric of type {kind} needs the field "{source}"')


def budget(value: dict[str, Any]) -> Iterator[Problem]:
    """A PodDisruptionBudget."""
    spec = mapping(value, "spec")
    if spec.get("minAvailable") is not None and spec.get("maxUnavailable") is not None:
        yield Problem(("spec",), "a PodDisruptionBudget has either minAvailable or maxUnavailable")
    for field in ("minAvailable", "maxUnavailable"):
        yield from share(spec.get(field), ("spec", field), most=100)
