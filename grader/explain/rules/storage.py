"""Claims, volumes and storage classes that do not come together."""

from __future__ import annotations

from grader.checks.quantity import parse
from grader.explain import objects
from grader.explain.mistakes import Scene, broken
from grader.explain.objects import at, label_list, listed, name, namespace, pairs, shown, text, words
from grader.explain.rules.scheduling import claims_of
from grader.explain.selectors import selects, spelled
from grader.model import Object

_CLAIM, _VOLUME, _CLASS = "PersistentVolumeClaim", "PersistentVolume", "StorageClass"
_DEFAULT = "storageclass.kubernetes.io/is-default-class"


@broken("claim-lost", _CLAIM)
def lost(scene: Scene, claim: Object) -> str | None:
    """Its volume was deleted under it."""
    if at(claim, "status", "phase") != "Lost":
        return None
    return f"{scene.who(claim)} is Lost: its PersistentVolume {shown(at(claim, 'spec', 'volumeName'))} is gone."


@broken("volume-name-unknown", _CLAIM)
def volume_name_unknown(scene: Scene, claim: Object) -> str | None:
    """spec.volumeName names no volume."""
    wanted = text(at(claim, "spec", "volumeName"))
    if not _pending(claim) or not wanted or not scene.relations.collected(_VOLUME, ""):
        return None
    if scene.relations.named(_VOLUME, "", wanted) is not None:
        return None
    near = scene.instead(_VOLUME, "", wanted)
    return f"{scene.who(claim)} is Pending: it asks for PersistentVolume {shown(wanted)}, which does not exist{near}."


@broken("volume-does-not-fit", _CLAIM)
def volume_does_not_fit(scene: Scene, claim: Object) -> str | None:
    """It names its volume, and that one cannot serve it."""
    volume = scene.relations.named(_VOLUME, "", text(at(claim, "spec", "volumeName")))
    reasons = _misfits(scene, claim, volume) if volume is not None and _pending(claim) else []
    return f"{scene.who(claim)} is Pending: {reasons[0]}." if reasons else None


@broken("no-such-class", _CLAIM)
def no_such_class(scene: Scene, claim: Object) -> str | None:
    """It names a StorageClass that is not there, and no volume has that class either."""
    wanted = text(at(claim, "spec", "storageClassName"))
    if (
        not _pending(claim)
        or not wanted
        or at(claim, "spec", "volumeName")
        or not scene.relations.collected(_CLASS, "")
    ):
        return None
    if not scene.relations.collected(_VOLUME, ""):
        return None
    volumes = scene.relations.objects(_VOLUME, "")
    if scene.relations.named(_CLASS, "", wanted) or any(at(v, "spec", "storageClassName") == wanted for v in volumes):
        return None
    there = [f"{name(c)} (default)" if _is_default(c) else name(c) for c in scene.relations.objects(_CLASS, "")]
    return (
        f"{scene.who(claim)} is Pending: no StorageClass is named {shown(wanted)}; "
        f"this cluster has {listed(there) or 'none'}."
    )


@broken("no-default-class", _CLAIM)
def no_default_class(scene: Scene, claim: Object) -> str | None:
    """It names no class, and the cluster has no default one."""
    if not _pending(claim) or at(claim, "spec", "storageClassName") is not None or at(claim, "spec", "volumeName"):
        return None
    classes = scene.relations.objects(_CLASS, "")
    if not scene.relations.collected(_CLASS, "") or any(_is_default(c) for c in classes):
        return None
    there = f"; there {'is' if len(classes) == 1 else 'are'} {listed(name(c) for c in classes)}" if classes else ""
    return (
        f"{scene.who(claim)} is Pending: it names no storageClassName, and no StorageClass is the default here{there}."
    )


@broken("waits-for-consumer", _CLAIM)
def waits_for_consumer(scene: Scene, claim: Object) -> str | None:
    """Its class binds when a Pod uses the claim, and none does."""
    storage_class = _class(scene, claim)
    if not _pending(claim) or at(storage_class, "volumeBindingMode") != "WaitForFirstConsumer":
        return None
    if any(name(claim) in claims_of(p) for p in scene.relations.live_pods(namespace(claim))):
        return None
    if not scene.relations.collected("Pod", namespace(claim)):
        return None
    return (
        f"{scene.who(claim)} is Pending: StorageClass {shown(name(storage_class))} makes a volume once a Pod mounts "
        "the claim, and no Pod does."
    )


@broken("no-volume-fits", _CLAIM)
def no_volume_fits(scene: Scene, claim: Object) -> str | None:
    """Nothing provisions for its class, and no existing volume fits."""
    wanted = text(at(claim, "spec", "storageClassName"))
    if not _pending(claim) or at(claim, "spec", "volumeName") or not scene.relations.collected(_VOLUME, ""):
        return None
    if wanted and _provisions(_class(scene, claim)):
        return None
    best = _nearest_volume(scene, claim)
    if best is None:
        kind = f"of class {shown(wanted)}" if wanted else "without a class"
        return f"{scene.who(claim)} is Pending: it wants a PersistentVolume {kind}, and there is none."
    return f"{scene.who(claim)} is Pending: no PersistentVolume fits; {best}." if best else None


@broken("nothing-provisions", _CLAIM)
def nothing_provisions(scene: Scene, claim: Object) -> str | None:
    """The provisioner of its class does not run here, or refuses."""
    storage_class = _class(scene, claim)
    if not _pending(claim) or storage_class is None:
        return None
    failed = scene.relations.events(claim, "ProvisioningFailed")
    if failed:
        return f"{scene.who(claim)} is Pending: {shown(failed[-1].get('message'), 200).rstrip('.')}."
    if not scene.relations.events(claim, "ExternalProvisioning"):
        return None
    return (
        f"{scene.who(claim)} is Pending: StorageClass {shown(name(storage_class))} leaves it to "
        f"{shown(storage_class.get('provisioner'))}, which has made no volume."
    )


@broken("other-volume", _CLAIM)
def other_volume(scene: Scene, claim: Object) -> str | None:
    """It is bound to another volume than the check asks for."""
    asked, found = (
        text(at(scene.look.partial if scene.look else None, "spec", "volumeName")),
        text(at(claim, "spec", "volumeName")),
    )
    if not asked or not found or asked == found or at(claim, "status", "phase") != "Bound":
        return None
    volume, other = (scene.relations.named(_VOLUME, "", n) for n in (asked, found))
    made = pairs(at(other, "metadata", "annotations")).get("pv.kubernetes.io/provisioned-by")
    how = f", which StorageClass {shown(at(other, 'spec', 'storageClassName'))} made for it" if made else ""
    reasons = _misfits(scene, claim, volume) if volume is not None else [f"there is no PersistentVolume {shown(asked)}"]
    return f"{scene.who(claim)} is bound to PersistentVolume {shown(found)}{how}{f'; {reasons[0]}' if reasons else ''}."


@broken("volume-released", _VOLUME)
def released(scene: Scene, volume: Object) -> str | None:
    """Its claim is gone, and the volume still remembers it."""
    if at(volume, "status", "phase") != "Released":
        return None
    return (
        f"{scene.who(volume)} is Released: it still names {_claimant(scene, volume)}, which is gone (claimRef), and no "
        "other claim gets it until somebody removes that."
    )


@broken("volume-taken", _VOLUME)
def volume_taken(scene: Scene, volume: Object) -> str | None:
    """Another claim than the one asked for has it."""
    asked = text(at(scene.look.partial if scene.look else None, "spec", "claimRef", "name"))
    if not asked or at(volume, "status", "phase") != "Bound" or at(volume, "spec", "claimRef", "name") == asked:
        return None
    return f"{scene.who(volume)} is bound to {_claimant(scene, volume)}."


@broken("volume-unclaimed", _VOLUME)
def volume_unclaimed(scene: Scene, volume: Object) -> str | None:
    """No claim fits it; the nearest pending one tells why."""
    if at(volume, "status", "phase") != "Available":
        return None
    claims = scene.relations.objects(_CLAIM, "*")
    pending = [c for c in claims if _pending(c)]
    for claim in pending:
        reasons = _misfits(scene, claim, volume)
        if reasons:
            return f"{scene.who(volume)} is Available, and {scene.who(claim)} does not get it: {reasons[0]}."
    bound = [c for c in claims if at(c, "status", "phase") == "Bound"]
    if bound and not pending:
        other = shown(at(bound[0], "spec", "volumeName"))
        return f"{scene.who(volume)} is Available: no claim wants it; {scene.who(bound[0])} is bound to {other}."
    return f"{scene.who(volume)} is Available: there is no PersistentVolumeClaim yet." if not claims else None


def _nearest_volume(scene: Scene, claim: Object) -> str | None:
    """Why the volume with the fewest faults does not fit; "" where one fits, None where there is no volume."""
    faults = [_misfits(scene, claim, v) for v in scene.relations.objects(_VOLUME, "") if _same_class(claim, v)]
    if not faults:
        faults = [_misfits(scene, claim, v) for v in scene.relations.objects(_VOLUME, "") if _free(v, claim)]
    if not faults:
        return None
    least = min(faults, key=len)
    return " and ".join(least[:2]) if least else ""


def _misfits(scene: Scene, claim: Object, volume: Object) -> list[str]:
    """Why a volume cannot serve a claim, each as a half-sentence; the first one is the plainest."""
    called, found = shown(name(volume)), []
    if not _free(volume, claim):
        found.append(f"{called} {_hold(scene, claim, volume)}")
    if not _same_class(claim, volume):
        has, asked = (text(at(o, "spec", "storageClassName")) for o in (volume, claim))
        found.append(f"{called} has {_class_words(has)}, and the claim asks for {_class_words(asked)}")
    modes = set(words(at(claim, "spec", "accessModes"))) - set(words(at(volume, "spec", "accessModes")))
    if modes:
        has_modes = listed(words(at(volume, "spec", "accessModes"))) or "no access mode"
        found.append(f"{called} offers {has_modes}, and the claim asks for {listed(sorted(modes))}")
    has_size, asked_size = (
        at(volume, "spec", "capacity", "storage"),
        at(claim, "spec", "resources", "requests", "storage"),
    )
    size, wish = parse(has_size), parse(asked_size)
    if size is not None and wish is not None and size < wish:
        found.append(f"{called} has {shown(has_size, 30)}, and the claim asks for {shown(asked_size, 30)}")
    selector = at(claim, "spec", "selector")
    if isinstance(selector, dict) and selector and not selects(selector, objects.labels(volume)):
        has_labels = label_list(objects.labels(volume)) or "no labels"
        found.append(f"{called} has {has_labels}, and the claim selects {spelled(selector)}")
    if (at(volume, "spec", "volumeMode") or "Filesystem") != (at(claim, "spec", "volumeMode") or "Filesystem"):
        found.append(f"{called} has another volumeMode than the claim asks for")
    return found


def _free(volume: Object, claim: Object) -> bool:
    taken = at(volume, "spec", "claimRef")
    if not isinstance(taken, dict):
        return True
    mine = taken.get("name") == name(claim) and taken.get("namespace") == namespace(claim)
    return mine and taken.get("uid") in (None, "", objects.uid(claim))


def _hold(scene: Scene, claim: Object, volume: Object) -> str:
    reference = at(volume, "spec", "claimRef")
    if at(reference, "name") == name(claim) and at(reference, "namespace") == namespace(claim):
        return "still names an earlier claim of the same name (claimRef)"
    if at(volume, "status", "phase") == "Released":
        return f"still names {_claimant(scene, volume)}, which is gone (claimRef)"
    return f"is taken by {_claimant(scene, volume)}"


def _claimant(scene: Scene, volume: Object) -> str:
    reference = at(volume, "spec", "claimRef")
    return scene.named(_CLAIM, text(at(reference, "namespace")), text(at(reference, "name")))


def _class(scene: Scene, claim: Object) -> Object | None:
    return scene.relations.named(_CLASS, "", text(at(claim, "spec", "storageClassName")))


def _provisions(storage_class: Object | None) -> bool:
    return text(at(storage_class, "provisioner")) not in ("", "kubernetes.io/no-provisioner")


def _same_class(claim: Object, volume: Object) -> bool:
    return text(at(claim, "spec", "storageClassName")) == text(at(volume, "spec", "storageClassName"))


def _class_words(storage_class: str) -> str:
    return f"storageClassName {shown(storage_class)}" if storage_class else "no storageClassName"


def _is_default(storage_class: Object) -> bool:
    return pairs(at(storage_class, "metadata", "annotations")).get(_DEFAULT, "") == "true"


def _pending(claim: Object) -> bool:
    return text(at(claim, "status", "phase")) == "Pending"
