"""LIST what the checks want: one call for each resource and namespace, page by page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from urllib.parse import quote

from grader.collect.access import Access, ApiFault, NoAnswer, Resource
from grader.model import ClusterUnreachable, Object, ObjectList, Want

# Objects a page, as kubectl asks for.
PAGE = 500
# How often a list whose continuation has expired (410 Gone) is begun again; the last time without pages.
RESTARTS = 3
# More objects than this in one list are not read: they would not fit into memory as Python objects (about 10 kB each).
MOST = 200_000


def lists(
    access: Access, wants: Iterable[Want], *, managed_fields: bool = False, forbidden_is_fatal: bool = True
) -> list[ObjectList]:
    """One ObjectList for each (resource, namespace), in a fixed order; one over all namespaces serves for single ones.

    A kind that the cluster does not have is `served=False`; a list that could not be had has an `error`.
    Raises ClusterUnreachable where the server refuses the identity altogether, or every one of the lists.
    """
    chosen = set(wants)
    forbidden: list[str] = []
    wide = {(w.api_version, w.kind) for w in chosen if w.namespace == "*"}
    found: dict[tuple[str, str, str], ObjectList] = {}
    for want in sorted(chosen, key=lambda w: (w.api_version, w.kind, w.namespace)):
        if want.namespace != "*" and (want.api_version, want.kind) in wide:
            continue
        try:
            resource = resource_of(access, want)
            scope = want.namespace if resource is None or resource.namespaced else ""
            key = (want.api_version, want.kind, scope)
            if key in found:
                continue
            if resource is None:
                found[key] = ObjectList(*key, items=(), served=False)
            else:
                found[key] = listed(access, replace(want, namespace=scope), resource, managed_fields)
        except ApiFault as fault:
            key = (want.api_version, want.kind, want.namespace)
            found[key] = ObjectList(*key, items=(), error=_sentence(want, fault))
            if fault.status == 403:
                forbidden.append(_sentence(want, fault))
    if forbidden_is_fatal and len(forbidden) == len(found) > 0:
        raise ClusterUnreachable(forbidden[0])
    return list(found.values())


def resource_of(access: Access, want: Want) -> Resource | None:
    """How discovery calls a kind; None where the cluster has no such kind, or none that can be listed."""
    key = (want.api_version, want.kind)
    if key not in access.kinds:
        try:
            served = access.get(_group(want.api_version)).get("resources") or ()
        except ApiFault as fault:
            if fault.status == 404:
                return None
            raise
        for one in served:
            name, kind = str(one.get("name")), str(one.get("kind"))
            if "list" in (one.get("verbs") or ()) and "/" not in name:
                access.kinds[want.api_version, kind] = Resource(name, bool(one.get("namespaced")))
    return access.kinds.get(key)


def _group(api_version: str) -> str:
    return ("/apis/" if "/" in api_version else "/api/") + quote(api_version, safe="/")


def path_of(want: Want, resource: Resource) -> str:
    """Where the API server serves a list."""
    inside = f"/namespaces/{quote(want.namespace, safe='')}" if want.namespace not in ("", "*") else ""
    return f"{_group(want.api_version)}{inside}/{resource.plural}"


def listed(access: Access, want: Want, resource: Resource, managed_fields: bool) -> ObjectList:
    """One list, whole. `want.namespace` is "" for a cluster-scoped kind. Raises ApiFault."""
    path = path_of(want, resource)
    for turn in range(RESTARTS + 1):
        try:
            items, version = _pages(access, path, PAGE if turn < RESTARTS else 0)
        except ApiFault as fault:
            if fault.status == 410 and turn < RESTARTS:
                continue
            raise
        for item in items:
            item["apiVersion"], item["kind"] = want.api_version, want.kind
            if not managed_fields and isinstance(item.get("metadata"), dict):
                item["metadata"].pop("managedFields", None)
        return ObjectList(want.api_version, want.kind, want.namespace, items, version)
    raise AssertionError("the last turn returns or raises")


def _pages(access: Access, path: str, limit: int) -> tuple[list[Object], str]:
    """Every page of one list. They are of one moment: the first page's resourceVersion holds for all."""
    items: list[Object] = []
    version, token = "", ""
    while True:
        query: dict[str, str | int] = {"limit": limit} if limit else {}
        if token:
            query["continue"] = token
        page = access.get(path, **query)
        items.extend(item for item in page.get("items") or () if isinstance(item, dict))
        if len(items) > MOST:
            raise ApiFault(f"there are more than {MOST:,} of them, which is more than is read")
        metadata = page.get("metadata") or {}
        version = version or str(metadata.get("resourceVersion") or "")
        token = str(metadata.get("continue") or "")
        if not token:
            return items, version


def _sentence(want: Want, fault: ApiFault) -> str:
    where = f" in namespace {want.namespace}" if want.namespace not in ("", "*") else ""
    said = f"The list of {want.kind} ({want.api_version}){where} could not be read: {fault}"
    if fault.status == 403:
        return f"{said}; grade with a kubeconfig that may read it."
    return f"{said}; grade again once the cluster answers." if isinstance(fault, NoAnswer) else f"{said}."
