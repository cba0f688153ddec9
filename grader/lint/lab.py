"""Every fault of a lab's folder at once, without a cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from grader.checks import prepare
from grader.labfile.catalog import catalogue, slug
from grader.labfile.faults import Fault, LabFaults, did_you_mean
from grader.labfile.loading import Draft, LoadedLab, draft
from grader.labfile.manifests import Manifest, collect
from grader.labfile.parameters import replace
from grader.labfile.schema import Absent, Lab, Probe, Script
from grader.labfile.steps import Solution, solution_with, wrongs_with
from grader.labfile.yamlfile import text
from grader.lint import free, images, objects, placeholders, probes, readme, references
from grader.lint.structure import Problem
from grader.lint.types import Types, kubernetes

# Namespaces that belong to the platform or to Kubernetes.
_NOT_OURS = ("seatrial-system", "kube-system", "kube-public", "kube-node-lease")


def lint(folder: Path) -> list[Fault]:
    """Every fault of a lab, by file and line; empty where there is none.

    Each value that a parameter can take is looked at, not only the drawn one.
    """
    faults: list[Fault] = []
    first = draft(folder, faults)
    if first.document is None:
        return sorted(set(faults))
    placeholders.check(folder, first.document, faults)
    for params in _variants(first.document.value.get("parameters")):
        _variant(folder, params, faults)
    return sorted(set(faults))


def _variants(declared: Any) -> Iterator[Mapping[str, Any]]:
    """Values for the parameters, so that each value of each parameter comes up in one of them."""
    lists = {
        name: parameter["choose"]
        for name, parameter in (declared.items() if isinstance(declared, dict) else ())
        if isinstance(parameter, dict) and isinstance(parameter.get("choose"), list) and parameter["choose"]
    }
    for i in range(max((len(choices) for choices in lists.values()), default=1)):
        yield {name: choices[i % len(choices)] for name, choices in lists.items()}


def _variant(folder: Path, params: Mapping[str, Any], faults: list[Fault]) -> None:
    made = draft(folder, faults, params=params)
    start = collect(folder / "setup", made.params, faults)
    if made.spec is None or made.document is None:
        # Without the lab's own file the manifests can still be looked at, each for itself.
        for manifest in start + collect(folder / "solution", made.params, faults):
            _manifest(kubernetes(), manifest, faults)
        return
    lab = LoadedLab(made.slug, made.number, folder, made.spec, made.params, "", made.document)
    end = solution_with(lab, faults)
    everything = [*start, *end.manifests]
    types = kubernetes().with_definitions(
        m.object for m in everything if m.object["kind"] == "CustomResourceDefinition"
    )
    for manifest in everything:
        _manifest(types, manifest, faults)
    _of_setup(start, faults)
    _of_references(lab, everything, end, faults)
    _of_probes(lab, everything, end, faults)
    _of_spec(lab, types, faults)
    _of_order(folder, made, made.spec, faults)
    _of_wrongs(lab, types, faults)
    content = text(folder / "README.md", faults) if (folder / "README.md").is_file() else None
    if content is not None:
        readme.check(folder / "README.md", replace(content, made.params), made.spec.tasks, faults)


def _manifest(types: Types, manifest: Manifest, faults: list[Fault]) -> None:
    faults += objects.manifest(types, manifest)
    faults += objects.unpinned(manifest)


def _of_setup(start: list[Manifest], faults: list[Fault]) -> None:
    for manifest in start:
        namespace = manifest.object["metadata"].get("namespace")
        if namespace in _NOT_OURS:
            message = f"setup may not put anything into {namespace}, which is not the lab's"
            faults.append(Fault(manifest.path, manifest.line("metadata", "namespace"), message))


def _of_references(lab: LoadedLab, everything: list[Manifest], end: Solution, faults: list[Fault]) -> None:
    script = end.script.text if end.script else ""
    for manifest, keys, message in references.dangling(everything, lab.spec.namespace, script):
        called = f"{manifest.object['kind']} {manifest.object['metadata']['name']}"
        faults.append(Fault(manifest.path, manifest.line(*keys), f"{called}: {message}"))


def _of_probes(lab: LoadedLab, everything: list[Manifest], end: Solution, faults: list[Fault]) -> None:
    there = probes.End(everything, lab.spec.namespace, end.script.text if end.script else "")
    for keys, check in objects.checks(lab.spec):
        for problem in probes.check(keys, check, there) if isinstance(check, Probe) else ():
            faults.append(Fault(lab.file, lab.line(*problem.keys), problem.message))


def _of_spec(lab: LoadedLab, types: Types, faults: list[Fault]) -> None:
    def add(problem: Problem) -> None:
        faults.append(Fault(lab.file, lab.line(*problem.keys), problem.message))

    for i, image in enumerate(lab.spec.images):
        if message := images.fault(image):
            add(Problem(("images", i), message))
    for keys, value in objects.partials(lab.spec):
        for problem in objects.pattern(types, keys, value):
            add(problem)
    try:
        prepare(lab)
    except LabFaults as error:
        faults += error.faults
    for i, task in enumerate(lab.spec.tasks):
        if all(isinstance(check, Absent) or probes.holds_already(check) for check in task.checks):
            message = (
                f'task "{task.id}" holds before any work: beside what must not be there (`absent`, `resolves: false`) '
                "it needs a check that asks for something"
            )
            add(Problem(("tasks", i, "checks"), message))
    for problem in free.check(types, lab.spec.free):
        add(problem)
    for keys, check in objects.checks(lab.spec):
        if isinstance(check, Script):
            _of_script(lab, (*keys, "script"), check, faults)


def _of_script(lab: LoadedLab, keys: tuple[str | int, ...], check: Script, faults: list[Fault]) -> None:
    line = lab.line(*keys)
    if not (lab.folder / check.script).is_file():
        faults.append(Fault(lab.file, line, f'there is no script "{check.script}" in the lab\'s folder'))
    advice = (
        "a script cannot be explained to the student: ask for a field of an object with `match`, for a relation between"
        " objects with `cel`, for an answer of a Pod with `probe`, for a command that was used with `audit`"
    )
    faults.append(Fault(lab.file, line, advice))


def _of_order(folder: Path, made: Draft, spec: Lab, faults: list[Fault]) -> None:
    """The labs that `after` names exist, and come first."""
    beside = [p.parent for p in folder.resolve().parent.glob("*/lab.yaml")]
    numbers = {slug(p): p.name.partition("-")[0] for p in [*catalogue(), *beside]}
    for i, name in enumerate(spec.after):
        line = made.document.line("after", i) if made.document else 0
        if name not in numbers or name == made.slug:
            hint = did_you_mean(name, set(numbers) - {made.slug})
            faults.append(Fault(folder / "lab.yaml", line, f'there is no other lab "{name}" to come after{hint}'))
        elif made.number and numbers[name] > made.number and numbers[name].isdigit():
            message = f'comes after "{name}", whose number {numbers[name]} is higher than this lab\'s'
            faults.append(Fault(folder / "lab.yaml", line, message))


def _of_wrongs(lab: LoadedLab, types: Types, faults: list[Fault]) -> None:
    for wrong in wrongs_with(lab, faults):
        if not any(wrong.loses.values()):
            faults.append(Fault(wrong.path, wrong.line, "loses no points: a known mistake must cost something"))
        # References and images may be what is wrong; what cannot be applied at all is a fault.
        for manifest in wrong.manifests:
            faults += objects.manifest(types, manifest)
