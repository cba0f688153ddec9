"""`make bench`: what seatrial takes beside what it is compared with, both sides in one run, into docs/benchmarks.md.

python bench/run.py                 everything (about 25 minutes on two cores)
python bench/run.py create grading  some suites; the others' tables stay as they were
"""

from __future__ import annotations

import copy
import dataclasses
import os
import platform
import re
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fleet
import kind
import portal
import portal_live
import portal_load
import portal_start
import probes
import subjects
import workspace
from measure import Row, alternate, duration, seconds

from clusters.exec import run
from clusters.kubectl import kubectl
from clusters.tools import program
from grader.model import Evidence
from proving.stand import ended_in_order

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "benchmarks.md"
SEATRIAL = Path(sys.executable).with_name("seatrial")


def create(scratch: Path) -> list[Row]:
    """A cluster from nothing until a student's Deployment is available."""
    plain = fleet.Plain(scratch / "plain")
    turn = iter(range(1000))

    def ours() -> float:
        name = f"bench-{next(turn)}"
        try:
            return seconds(lambda: fleet.ready_for_a_student(fleet.ours(name)))
        finally:
            fleet.forget_ours(name)

    def theirs() -> float:
        name = f"plain-{next(turn)}"
        try:
            return seconds(lambda: fleet.ready_for_a_student(plain.create(name)))
        finally:
            plain.delete(name)

    pair = alternate(ours, theirs, runs=10)
    return [
        Row.of(
            "cluster from nothing until the student's Deployment is available", pair, at_most=1.25, than="plain kwokctl"
        )
    ]


def grading(scratch: Path) -> list[Row]:
    """Thirty assertions: a warm process, the command, kuttl, and a shell script of kubectl calls."""
    from grader.collect import Access, collect
    from grader.evaluate import evaluate
    from grader.labfile import read

    kuttl = built_kuttl()
    count = 10
    with fleet.cluster("bench-grading") as (admin, _):
        subjects.put(admin, "bench", count)
        folder = subjects.lab(scratch / "thirty", "bench", [{"match": e} for e in subjects.expectations(count)])
        asserts = subjects.kuttl_file(scratch / "assert.yaml", count)
        script = subjects.shell_script(scratch / "assert.sh", program("kubectl"), "bench", count)
        environment = {"KUBECONFIG": str(admin)}
        lab, access = read(folder), Access.from_kubeconfig(admin)

        def warm() -> None:
            if not evaluate(lab, collect(lab, access)).full_marks:
                raise AssertionError("the lab of the benchmark must have full marks")

        def command() -> float:
            return seconds(lambda: run([SEATRIAL, "grade", folder, "--kubeconfig", admin, "-o", "json"], timeout=60))

        def by_kuttl() -> float:
            return seconds(lambda: run([kuttl, "assert", asserts, "--namespace", "bench"], timeout=60, env=environment))

        def by_shell() -> float:
            return seconds(lambda: run(["sh", script], timeout=60, env=environment))

        return [
            Row.of(
                "collect and evaluate in a warm process",
                alternate(lambda: seconds(warm), by_kuttl, runs=20),
                at_most=0.2,
                than="kuttl assert",
            ),
            Row.of(
                "the whole `seatrial grade`",
                alternate(command, by_shell, runs=10),
                at_most=0.5,
                than="30 kubectl calls",
            ),
            Row.of(
                "the whole `seatrial grade`", alternate(command, by_kuttl, runs=20), at_most=3.0, than="kuttl assert"
            ),
        ]


def built_kuttl() -> Path:
    """kuttl of bench/kuttl/go.mod, built once into the cache."""
    import platformdirs

    target = Path(platformdirs.user_cache_dir("seatrial")) / "bench" / "kuttl-v0.22.0"
    if not target.exists():
        print("building kuttl v0.22.0 (a minute or two, once)", file=sys.stderr, flush=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        half = target.with_suffix(".half")
        # The very Go that go.mod names: kuttl 0.22.0 stands in for a type of `testing` that Go 1.26 has changed.
        version = re.search(r"^go (\S+)", (ROOT / "bench" / "kuttl" / "go.mod").read_text(), re.MULTILINE)
        env = {"GOFLAGS": "-mod=mod", "GOTOOLCHAIN": f"go{version[1]}" if version else "auto"}
        run(
            ["go", "build", "-o", half, "github.com/kudobuilder/kuttl/cmd/kubectl-kuttl"],
            timeout=1800,
            env=env,
            cwd=ROOT / "bench" / "kuttl",
        )
        half.rename(target)
    return target


def evaluating(scratch: Path) -> list[Row]:
    """Mutated evidences a second on one core, for a lab of ten checks."""
    from grader.collect import Access, collect
    from grader.evaluate import evaluate
    from grader.labfile import read

    checks: list[dict[str, object]] = [{"match": e} for e in subjects.expectations(2)]
    web = {"apiVersion": "apps/v1", "kind": "Deployment"}
    checks += [
        {"cel": "deployments.all(d, d.status.readyReplicas == d.spec.replicas)", "with": {"deployments": web}},
        {"count": {"of": web, "equals": 2}},
        {"absent": {"apiVersion": "v1", "kind": "Service", "spec": {"type": "NodePort"}}},
        {"match": {"apiVersion": "v1", "kind": "ConfigMap", "data": {"color": {"$regex": "^blue"}}}},
    ]
    with fleet.cluster("bench-evaluate") as (admin, _):
        subjects.put(admin, "bench", 2)
        lab = read(subjects.lab(scratch / "ten", "bench", checks))
        evidence = collect(lab, Access.from_kubeconfig(admin))
    mutated = list(every_leaf_changed(evidence))
    if not evaluate(lab, evidence).full_marks:
        raise AssertionError("the lab of the benchmark must have full marks")
    lost = sum(not evaluate(lab, e, explain=False).full_marks for e in mutated)
    rounds = []
    for _ in range(10):
        rounds.append(len(mutated) / seconds(lambda: [evaluate(lab, e, explain=False) for e in mutated]))
    rate = statistics.median(rounds)
    what = f"evaluate alone: {len(mutated)} mutated evidences, {lost} of which lose points"
    return [Row(what, f"{rate:,.0f} /s (slowest round {min(rounds):,.0f} /s)", "", "", "≥ 2,000 /s", rate >= 2000)]


def every_leaf_changed(evidence: Evidence) -> Iterator[Evidence]:
    """The evidence with one leaf of one object changed, for every leaf of every object."""

    def leaves(node: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
        items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for key, value in items:
            if isinstance(value, dict | list):
                yield from leaves(value, (*path, key))
            else:
                yield (*path, key), value

    for at, listed in enumerate(evidence.now.lists):
        for index, item in enumerate(listed.items):
            for path, value in leaves(item):
                changed = copy.deepcopy(item)
                node: Any = changed
                for key in path[:-1]:
                    node = node[key]
                node[path[-1]] = value + 1 if isinstance(value, int) and not isinstance(value, bool) else f"{value}x"
                items = [*listed.items[:index], changed, *listed.items[index + 1 :]]
                lists = list(evidence.now.lists)
                lists[at] = dataclasses.replace(listed, items=items)
                yield dataclasses.replace(evidence, now=dataclasses.replace(evidence.now, lists=lists))


def scaling(scratch: Path) -> list[Row]:
    """Grading time against the number of objects and of checks, in a warm process."""
    from grader.collect import Access, collect
    from grader.evaluate import evaluate
    from grader.labfile import read

    rows = []
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"labels": {"app": "many"}},
        "spec": {"containers": [{"image": "nginx:1.27"}]},
    }
    with fleet.cluster("bench-scaling") as (admin, _):
        kubectl(admin, "create", "namespace", "many")
        access, have = Access.from_kubeconfig(admin), 0
        lab = read(subjects.lab(scratch / "many", "many", [{"match": pod}, {"count": {"of": pod, "at_least": 1}}]))
        for number in (10, 100, 1000, 5000):
            fleet.until(
                "the default ServiceAccount exists", lambda: fleet.answers(admin, "get", "sa", "default", "-n", "many")
            )
            subjects.pods(admin, "many", have, number)
            have = number
            looks = [seconds(lambda: evaluate(lab, collect(lab, access))) for _ in range(5)]
            middle = statistics.median(looks)
            rows.append(
                Row(
                    f"grade with {number:,} Pods in the namespace",
                    duration(middle),
                    "",
                    "",
                    f"stated: {middle / number * 1e6:.0f} µs a Pod",
                    None,
                )
            )
        evidence = collect(lab, access)
        for number in (10, 100, 1000):
            wide = read(subjects.lab(scratch / f"checks-{number}", "many", [{"match": pod}] * number))
            its = dataclasses.replace(evidence, lab=wide.slug)
            looks = [seconds(lambda: evaluate(wide, its)) for _ in range(5)]  # noqa: B023 - called at once
            middle = statistics.median(looks)
            rows.append(
                Row(
                    f"evaluate {number:,} checks over 5,000 Pods",
                    duration(middle),
                    "",
                    "",
                    f"stated: {middle / number * 1e6:.0f} µs a check",
                    None,
                )
            )
    return rows


def memory(scratch: Path) -> list[Row]:
    """Proportional memory of clusters side by side, each side alone on the machine in its turn."""
    import platformdirs

    rows, sides = [], {}
    folder = Path(platformdirs.user_data_dir("seatrial")) / "clusters"
    plain, same = fleet.Plain(scratch / "plain"), fleet.Plain(scratch / "same", metrics=True)
    steps = (1, 5, 10, 20)
    names = [f"bench-memory-{i}" for i in range(max(steps))]
    for side, make, drop, where in (
        ("ours", fleet.ours, fleet.forget_ours, folder),
        ("same", same.create, same.delete, same.folder),
        ("plain", plain.create, plain.delete, plain.folder),
    ):
        made = []
        try:
            for index, name in enumerate(names, 1):
                kubeconfig = make(name)
                made.append(name)
                fleet.ready_for_a_student(kubeconfig)
                if index in steps:
                    sides[side, index] = fleet.proportional_memory(where)
        finally:
            for name in made:
                drop(name)
    for index in steps:
        ours = sides["ours", index]
        for side, told in (("same", "plain kwokctl, the same programs"), ("plain", "plain kwokctl, no metrics-server")):
            theirs = sides[side, index]
            rows.append(
                Row(
                    f"proportional memory of {index} cluster{'s' * (index > 1)}, each",
                    f"{ours / index:.0f} MiB",
                    f"{told}: {theirs / index:.0f} MiB",
                    f"{ours / theirs:.2f}",
                    "< 1.00" if side == "same" else "stated",
                    ours < theirs if side == "same" else None,
                )
            )
    return rows


SUITES: dict[str, tuple[str, Callable[[Path], list[Row]]]] = {
    "create": ("A cluster of one's own", create),
    "grading": ("Thirty assertions on one cluster", grading),
    "evaluating": ("Evaluating", evaluating),
    "scaling": ("Growing", scaling),
    "memory": ("Memory", memory),
    "kind": ("A cluster of containers", kind.kind),
    "claims": ("A portal with clusters of containers", kind.claims),
    "probes": ("Probes of real Pods", probes.probes),
    "platform": ("Memory of the portal's own processes", portal.platform_memory),
    "workspace": ("Memory of a workspace", workspace.workspace),
    "start": ("From Start to a prompt", portal_start.start),
    "burst": ("A class that starts at once", portal_start.burst),
    "live": ("From kubectl to a green task", portal_live.live),
    "load": ("A class that clicks", portal_load.load),
    "kills": ("Killed at random, under load", portal.kills),
}


def machine() -> str:
    """The machine's size and the day."""
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return (
        f"{os.cpu_count()} cores, {pages * size / 2**30:.0f} GiB, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, {datetime.now(UTC):%Y-%m-%d}"
    )


def table(rows: list[Row]) -> str:
    """Rows as Markdown."""
    verdict = {True: "met", False: "**missed**", None: ""}
    lines = ["| what | seatrial | beside | ratio | asked | |", "|---|---|---|---|---|---|"]
    lines += [f"| {r.what} | {r.ours} | {r.theirs} | {r.ratio} | {r.asked} | {verdict[r.met]} |" for r in rows]
    return "\n".join(lines)


def store(name: str, title: str, rows: list[Row]) -> None:
    """Put a suite's table into the page, in place of the one before it."""
    text = PAGE.read_text() if PAGE.exists() else HEAD
    section = f"<!-- {name} -->\n## {title}\n\n{machine()}\n\n{table(rows)}\n<!-- /{name} -->\n"
    old = re.compile(rf"<!-- {name} -->.*?<!-- /{name} -->\n", re.DOTALL)
    text = old.sub(lambda _: section, text) if old.search(text) else f"{text.rstrip()}\n\n{section}"
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(text)


HEAD = """# Benchmarks

Written by `make bench`. Both sides of a row run in turn on the same machine in the same run; times are medians with
their 95th percentile, a ratio is the median of the ratios of neighbouring runs, so a machine that slows down slows
both sides. Quote the ratios. A figure that is missed stays in the table.
"""


def main() -> int:
    """Run the suites named on the command line, or all; 1 where a figure was missed."""
    wanted = sys.argv[1:] or list(SUITES)
    unknown = [w for w in wanted if w not in SUITES]
    if unknown:
        print(f"there is no suite {unknown[0]!r}; there are {', '.join(SUITES)}", file=sys.stderr)
        return 2
    missed = 0
    for name in wanted:
        title, suite = SUITES[name]
        print(f"{title} …", file=sys.stderr, flush=True)
        with ended_in_order(), tempfile.TemporaryDirectory(prefix="seatrial-bench-") as scratch:
            rows = suite(Path(scratch))
        store(name, title, rows)
        print(table(rows), flush=True)
        missed += sum(r.met is False for r in rows)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
