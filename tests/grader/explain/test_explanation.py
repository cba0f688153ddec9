"""What is said, of what, and what never: on objects as a cluster gives them, without one."""

from __future__ import annotations

from typing import Any

import pytest

from grader.explain import related, why
from grader.explain.objects import SENTENCE_LIMIT
from grader.model import Call, Evidence, ObjectList, Want
from tests.grader.explain.evidences import evidence, lab, of_lists

_WEB = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}}


def _obj(kind: str, name: str, namespace: str = "shop", api_version: str = "v1", **rest: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace, "uid": f"{kind}-{name}", **rest.pop("metadata", {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **rest}


def _service(name: str, namespace: str = "shop", **spec: Any) -> dict[str, Any]:
    return _obj("Service", name, namespace, spec={"selector": {"app": "web"}, **spec})


def _pod(name: str, status: dict[str, Any] | None = None, **labels: str) -> dict[str, Any]:
    ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    return _obj("Pod", name, metadata={"labels": labels}, spec={}, status=status or ready)


def _said(check: dict[str, Any], seen: Evidence, *others: dict[str, Any]) -> str | None:
    """What is said of the first check of a lab that has these."""
    loaded = lab(check, *others)
    return why(loaded.spec.tasks[0].checks[0], loaded, seen)


def test_nothing_is_added_where_nothing_is_known() -> None:
    seen = evidence([_service("web", ports=[{"port": 80}]), _pod("a", app="web")])
    assert _said({"match": {**_WEB, "spec": {"ports": [{"port": 8080}]}}}, seen) is None


def test_a_list_that_was_not_taken_is_no_missing_object() -> None:
    assert _said({"match": _WEB}, evidence([_pod("web", app="web")])) is None


def test_a_list_that_could_not_be_had_is_no_missing_object() -> None:
    failed = ObjectList("v1", "Service", "shop", [], error="forbidden")
    other = ObjectList("v1", "Service", "default", [_service("web", "default")])
    assert _said({"match": _WEB}, of_lists([failed, other])) is None


def test_the_name_is_looked_for_elsewhere_but_not_at_the_platforms() -> None:
    here = evidence([_service("web", "kube-system"), _service("web", "seatrial-system")], empty=["v1 Service"])
    assert _said({"match": _WEB}, here) is None
    said = _said({"match": _WEB}, evidence([_service("web", "default")], empty=["v1 Service"]))
    assert said == "Service web is in Namespace default; it belongs in shop."


def test_an_object_of_another_namespace_is_named_with_it() -> None:
    seen = evidence([_service("web", "blue"), _obj("Pod", "a", "blue", metadata={"labels": {"app": "wbe"}})])
    check = {"match": {**_WEB, "metadata": {"name": "web", "namespace": "blue"}, "spec": {"selector": {"app": "wbe"}}}}
    assert _said(check, seen) == "Service blue/web selects no Pod: it asks for app=web, your Pods have app=wbe."


def test_a_service_of_another_group_is_not_taken_for_one() -> None:
    foreign = _obj("Service", "web", api_version="serving.knative.dev/v1", spec={})
    check = {"match": {**_WEB, "apiVersion": "serving.knative.dev/v1", "spec": {"traffic": []}}}
    assert _said(check, evidence([foreign])) is None


def test_a_hidden_check_is_never_explained_not_even_inside_another() -> None:
    seen = evidence([_service("wbe")])
    shown, hidden = {"match": {**_WEB, "metadata": {"name": "other"}}}, {"match": _WEB, "hidden": True}
    assert _said(hidden, seen) is None
    assert _said({"any_of": [hidden, {"match": _WEB}]}, seen) == "No Service is named web; the nearest name is wbe."
    assert _said({"any_of": [shown, hidden]}, seen) is None
    assert _said({"any_of": [shown, hidden], "hidden": True}, seen) is None


def test_a_name_that_another_check_asks_for_is_no_near_miss() -> None:
    seen, other = evidence([_service("web-pod")]), {"match": {**_WEB, "metadata": {"name": "web-pod"}}}
    check = {"match": {**_WEB, "metadata": {"name": "web-pods"}}}
    assert _said(check, seen) == "No Service is named web-pods; the nearest name is web-pod."
    assert _said(check, seen, other) is None


def test_an_authors_message_is_followed_by_what_the_object_has() -> None:
    seen = evidence([_service("web", ports=[{"port": 80}], type="NodePort"), _pod("a", app="web")])
    check = {"match": {**_WEB, "spec": {"type": "ClusterIP", "sessionAffinity": "ClientIP"}}}
    assert _said(check, seen) is None  # the check's own sentence says it
    told = _said({**check, "message": "Keep it inside, and each client at its Pod."}, seen)
    assert told == 'Service web: spec.type is "NodePort", spec.sessionAffinity is not set.'


def test_what_a_secret_holds_instead_is_not_told() -> None:
    secret = _obj("Secret", "token", data={"token": "aHVudGVyMg=="})
    asked = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "token"}, "data": {"token": "c2VjcmV0"}}
    assert _said({"match": asked, "message": "Another token is asked for."}, evidence([secret])) is None


def test_only_the_failing_part_of_all_of_is_explained() -> None:
    seen = evidence([_service("web"), _pod("a", app="other"), _obj("ConfigMap", "settings", data={"colour": "blue"})])
    about = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}}
    said = _said({"all_of": [{"match": _WEB}, {"match": {**about, "data": {"color": "blue"}}}]}, seen)
    assert said == "ConfigMap settings has no key color; the nearest is colour."


@pytest.mark.parametrize(
    ("reference", "phase", "reason"),
    [
        (
            {"name": "data", "uid": "an-earlier-one"},
            "Released",
            "still names an earlier claim of the same name (claimRef)",
        ),
        ({"name": "old"}, "Released", "still names PersistentVolumeClaim old, which is gone (claimRef)"),
        ({"name": "old"}, "Bound", "is taken by PersistentVolumeClaim old"),
    ],
)
def test_a_volume_says_who_has_it(reference: dict[str, str], phase: str, reason: str) -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "storageClassName": "manual"}
    claim = _obj("PersistentVolumeClaim", "data", spec=spec, status={"phase": "Pending"})
    held = {**spec, "claimRef": {"namespace": "shop", **reference}}
    volume = _obj("PersistentVolume", "pv", "", spec=held, status={"phase": phase})
    about = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"}}
    said = _said({"match": {**about, "status": {"phase": "Bound"}}}, evidence([claim, volume]))
    assert said == f"PersistentVolumeClaim data is Pending: no PersistentVolume fits; pv {reason}."


def test_no_value_of_a_secret_is_told() -> None:
    secret = _obj("Secret", "token", data={"tokn": "aHVudGVyMg=="})
    asked = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "token"}, "data": {"token": "c2VjcmV0"}}
    assert _said({"match": asked}, evidence([secret])) == "Secret token has no key token; the nearest is tokn."


def test_pods_that_are_ill_are_no_cause_of_a_wrong_spec() -> None:
    pulling = {
        "phase": "Pending",
        "containerStatuses": [{"name": "a", "state": {"waiting": {"reason": "ErrImagePull"}}}],
    }
    seen = evidence([_pod("web", pulling)])
    about = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}}
    assert _said({"match": {**about, "spec": {"hostNetwork": True}}}, seen) is None
    assert "ErrImagePull" in (_said({"match": {**about, "status": {"phase": "Running"}}}, seen) or "")


def test_what_a_past_object_of_the_name_befell_is_not_told() -> None:
    event = _obj("Event", "web.1", involvedObject={"kind": "Pod", "namespace": "shop", "name": "web", "uid": "gone"},
                 reason="Unhealthy", message="Readiness probe failed: 404")  # fmt: skip
    unready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}]}
    seen = evidence([_pod("web", unready), event])
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    check = {"match": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "status": ready}}
    assert _said(check, seen) == "Pod web runs and is not ready."


def test_another_students_call_is_not_told() -> None:
    calls = [Call("", who, "create", "", "configmaps", "", "shop", "a", "kubectl/v1.36", 201) for who in ("eve", "ada")]
    check = {"audit": {"verb": "create", "resource": "configmaps", "name": "b"}}
    assert _said(check, evidence([], calls=calls[:1])) is None
    assert (_said(check, evidence([], calls=calls)) or "").startswith("Your nearest call was create configmaps a")
    assert _said(check, evidence([], calls=None)) is None


@pytest.mark.parametrize(
    "hostile", ["\x1b]0;owned\x07", "\u202egnirts", "line\nanother\r\nthird", "x" * 1_000_000, "\x00\x1b[2J"]
)
def test_hostile_text_stays_one_bounded_line(hostile: str) -> None:
    waiting = {"name": "a", "state": {"waiting": {"reason": "CreateContainerConfigError", "message": hostile}}}
    seen = evidence([_pod("web", {"phase": "Pending", "containerStatuses": [waiting]})])
    check = {"match": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "status": {"phase": "Running"}}}
    said = _said(check, seen)
    assert said is not None
    assert said.startswith("Pod web cannot start: ")
    assert len(said) <= SENTENCE_LIMIT
    assert said.isprintable()


def test_the_evidence_that_is_asked_about_is_the_one_that_answers() -> None:
    first, second = evidence([_service("wbe")]), evidence([_service("weeb")])
    told = [_said({"match": _WEB}, seen) for seen in (first, second, first)]
    assert told[0] == told[2] != told[1]


def test_related_lists_leave_out_what_is_wanted_already() -> None:
    wanted = frozenset({Want("apps/v1", "Deployment", "shop"), Want("v1", "Pod", "*"), Want("v1", "Namespace", "shop")})
    further = related(wanted)
    assert not further & wanted
    assert not [w for w in further if w.kind in ("Pod", "Namespace")]
    assert Want("v1", "Event", "shop") in further
    assert Want("apps/v1", "Deployment", "default") in further


def test_an_ordinary_lab_needs_few_further_lists() -> None:
    wanted = frozenset(
        {Want("apps/v1", "Deployment", "shop"), Want("v1", "Service", "shop"), Want("v1", "ConfigMap", "shop")}
    )
    assert len(related(frozenset(wanted))) <= 8


def test_lists_of_the_default_namespace_are_not_taken_twice() -> None:
    assert not [w for w in related(frozenset({Want("v1", "ConfigMap", "default")})) if w.kind == "ConfigMap"]
