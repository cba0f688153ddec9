"""The catalogue: every lab as a student reads it, and where a student stands in it.

A lab is read again when one of its files changes. One that cannot be read at the moment, because somebody is writing
it, stays as it was read last; one that never could be read is left out, and `faults` says why.
"""

from __future__ import annotations

import json
import logging
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from markupsafe import Markup

from grader import labfile
from grader.labfile.parameters import draw
from grader.model import GraderError
from webapp.catalog.markdown import render
from webapp.errors import Refused

_LOG = logging.getLogger(__name__)
LEVELS = ("beginner", "intermediate", "advanced")
# Pages that are kept rendered: a lab for each draw of its parameters.
_KEPT = 512
# A slug is at most as long as a lab's folder may be called; anything longer is nobody's.
_LONGEST = 80


@dataclass(frozen=True, slots=True)
class TaskPage:
    """One task as it is announced. `hint` says that there is one; its text is only told when asked for."""

    id: str
    title: str
    points: float
    hint: bool


@dataclass(frozen=True, slots=True)
class LabPage:
    """One lab, its parameters replaced. `html` is its text. `after` are slugs of labs that come before it."""

    slug: str
    number: str
    title: str
    summary: str
    minutes: int
    level: str
    concepts: tuple[str, ...]
    after: tuple[str, ...]
    needs: tuple[str, ...]
    namespace: str
    points: float
    tasks: tuple[TaskPage, ...]
    params: Mapping[str, Any]
    digest: str
    html: Markup


class Standing(StrEnum):
    """How far a student is in a lab."""

    NEW = "new"
    OPEN = "open"  # there is a session
    HANDED_IN = "handed in"
    COMPLETE = "complete"  # full marks


@dataclass(frozen=True, slots=True)
class Progress:
    """What is known of one student in one lab. `score` and `points` are those of the best submission."""

    standing: Standing = Standing.NEW
    score: float | None = None
    points: float | None = None
    session: str = ""  # the session in two or three words, "running" for example


@dataclass(frozen=True, slots=True)
class Entry:
    """A lab in a path. `waits_for` are the titles of labs that come first and are not complete."""

    lab: LabPage
    progress: Progress
    waits_for: tuple[str, ...]
    next: bool


@dataclass(frozen=True, slots=True)
class Track:
    """The labs of one level, in the order in which they build upon each other."""

    level: str
    entries: tuple[Entry, ...]

    @property
    def complete(self) -> int:
        """How many labs have full marks."""
        return sum(1 for entry in self.entries if entry.progress.standing is Standing.COMPLETE)

    @property
    def minutes(self) -> int:
        """How long all of them take."""
        return sum(entry.lab.minutes for entry in self.entries)


_Signature = tuple[tuple[str, int, int, int], ...]
_Choices = Mapping[str, list[Any]]
_Key = tuple[Path, str]


class _Shelf:
    """The labs that were read, a page for each draw of their parameters. One for the process; threads share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._choices: dict[Path, tuple[_Signature, _Choices]] = {}
        self._pages: OrderedDict[_Key, tuple[_Signature, LabPage]] = OrderedDict()
        self._faults: dict[str, str] = {}

    def get(self, folder: Path, *, student: str, secret: str, params: Mapping[str, Any] | None) -> LabPage | None:
        """The page, read anew if a file changed; the last good one where it cannot be read; None if it never could."""
        signature = _signature(folder)
        key = None
        try:
            key, drawn = self._key(folder, self._declared(folder, signature), student, secret, params)
            kept = self._kept(key)
            if kept is not None and kept[0] == signature and signature:
                return kept[1]
            page = _read(folder, drawn)
        except (GraderError, OSError, UnicodeError) as error:
            _LOG.warning("%s cannot be read: %s", folder.name, error)
            with self._lock:
                self._faults[folder.name] = str(error)
                declared = self._choices.get(folder)
            if key is None and declared is not None:
                key, _ = self._key(folder, declared[1], student, secret, params)
            kept = self._kept(key) if key else None
            return kept[1] if kept else None
        with self._lock:
            self._faults.pop(folder.name, None)
            # A file that was written while it was read has another signature by now, and is read again next time.
            self._pages[key] = (signature, page)
            while len(self._pages) > _KEPT:
                self._pages.popitem(last=False)
        return page

    def _kept(self, key: _Key) -> tuple[_Signature, LabPage] | None:
        with self._lock:
            kept = self._pages.get(key)
            if kept is not None:
                self._pages.move_to_end(key)
            return kept

    def _declared(self, folder: Path, signature: _Signature) -> _Choices:
        """What each parameter may be."""
        with self._lock:
            kept = self._choices.get(folder)
        if kept is None or kept[0] != signature or not signature:
            declared = labfile.read(folder).spec.parameters
            kept = (signature, {name: list(one.choose) for name, one in declared.items()})
            with self._lock:
                self._choices[folder] = kept
        return kept[1]

    def _key(
        self, folder: Path, declared: _Choices, student: str, secret: str, params: Mapping[str, Any] | None
    ) -> tuple[_Key, dict[str, Any]]:
        """A value for each parameter, drawn as grader.labfile draws it, and where the page with these is kept."""
        slug = _slug(folder)
        drawn = {
            name: draw(choices, slug=slug, student=student, secret=secret, name=name)
            for name, choices in declared.items()
        }
        drawn.update(params or {})
        return (folder, json.dumps(drawn, sort_keys=True, default=str)), drawn

    def faults(self, names: Iterable[str]) -> dict[str, str]:
        """What is wrong with the labs that could not be read, by the folder's name."""
        with self._lock:
            return {name: self._faults[name] for name in names if name in self._faults}


_SHELF = _Shelf()


def labs(*, student: str = "student", secret: str = "") -> list[LabPage]:
    """Every lab that can be read, by number, as one student gets it."""
    pages = (_SHELF.get(folder, student=student, secret=secret, params=None) for folder in labfile.catalogue())
    return [page for page in pages if page is not None]


def page(slug: str, *, student: str = "student", secret: str = "", params: Mapping[str, Any] | None = None) -> LabPage:
    """One lab. `params` are those that a session drew at its start; without them they are drawn now.

    Raises Refused (404) for a slug that no lab has, (503) for a lab that cannot be read.
    """
    folder = _folder(slug)
    found = _SHELF.get(folder, student=student, secret=secret, params=params)
    if found is None:
        raise Refused("This lab cannot be read at the moment. Its author has been told; try again in a minute.", 503)
    return found


def hint(slug: str, task: str, *, params: Mapping[str, Any] | None = None) -> str:
    """A task's hint. Raises Refused (404) where there is no such task, or it has none."""
    try:
        lab = labfile.read(_folder(slug), params=params)
    except GraderError as error:
        raise Refused("This lab cannot be read at the moment. Try again in a minute.", 503) from error
    for one in lab.spec.tasks:
        if one.id == task and one.hint:
            return one.hint
    raise Refused("There is no hint for this task.", 404)


def faults() -> dict[str, str]:
    """The labs that could not be read last time, by the folder's name, each with a sentence for its author."""
    return _SHELF.faults(folder.name for folder in labfile.catalogue())


def tracks(pages: Iterable[LabPage], progress: Mapping[str, Progress]) -> list[Track]:
    """The labs by level, each after those that it builds upon, with what the student has done and what comes next.

    Next is the first lab that is begun and not complete; otherwise the first for which everything before it is
    complete. At most one lab is next.
    """
    ordered = _in_order(list(pages))
    known = {one.slug: one for one in ordered}
    standings = {one.slug: progress.get(one.slug, Progress()) for one in ordered}
    complete = {slug for slug, one in standings.items() if one.standing is Standing.COMPLETE}
    waits = {
        one.slug: tuple(known[slug].title for slug in one.after if slug in known and slug not in complete)
        for one in ordered
    }
    chosen = _next(ordered, standings, waits)
    made = []
    for level in LEVELS:
        entries = tuple(
            Entry(one, standings[one.slug], waits[one.slug], one.slug == chosen)
            for one in ordered
            if one.level == level
        )
        if entries:
            made.append(Track(level, entries))
    return made


def _next(
    ordered: list[LabPage], standings: Mapping[str, Progress], waits: Mapping[str, tuple[str, ...]]
) -> str | None:
    begun = [one.slug for one in ordered if standings[one.slug].standing in (Standing.OPEN, Standing.HANDED_IN)]
    open_now = [slug for slug in begun if standings[slug].standing is Standing.OPEN]
    fresh = [one.slug for one in ordered if standings[one.slug].standing is Standing.NEW]
    free = [slug for slug in fresh if not waits[slug]]
    for candidates in (open_now, begun, free, fresh):
        if candidates:
            return candidates[0]
    return None


def _in_order(pages: list[LabPage]) -> list[LabPage]:
    """By number, but never before a lab that comes first; a circle of labs is cut where it began."""
    known = {one.slug: one for one in pages}
    made: dict[str, LabPage] = {}
    entered: set[str] = set()
    stack = [(one, False) for one in reversed(pages)]
    while stack:
        one, ready = stack.pop()
        if ready:
            made.setdefault(one.slug, one)
        elif one.slug not in entered:
            entered.add(one.slug)
            stack.append((one, True))
            stack += [(known[slug], False) for slug in reversed(one.after) if slug in known]
    return list(made.values())


def _folder(slug: str) -> Path:
    """The lab's folder, out of the list of labs: a slug is compared, and never made a path of."""
    if len(slug) <= _LONGEST:
        for folder in labfile.catalogue():
            if slug == _slug(folder):
                return folder
    raise Refused("There is no such lab. The catalogue shows all there are.", 404)


def _slug(folder: Path) -> str:
    head, dash, tail = folder.name.partition("-")
    return tail if dash and head.isdigit() else folder.name


def _signature(folder: Path) -> _Signature:
    """What changes when a student's view of the lab does; empty where a file is missing."""
    try:
        stats = [(name, (folder / name).stat()) for name in ("lab.yaml", "README.md")]
    except OSError:
        return ()
    return tuple((name, stat.st_mtime_ns, stat.st_size, stat.st_ino) for name, stat in stats)


def _read(folder: Path, params: Mapping[str, Any]) -> LabPage:
    lab = labfile.read(folder, params=params)
    spec = lab.spec
    tasks = tuple(TaskPage(one.id, one.title, float(one.points), one.hint is not None) for one in spec.tasks)
    return LabPage(
        slug=lab.slug,
        number=lab.number,
        title=spec.title,
        summary=spec.summary,
        minutes=spec.minutes,
        level=spec.level,
        concepts=spec.concepts,
        after=spec.after,
        needs=spec.needs,
        namespace=spec.namespace,
        points=sum(task.points for task in tasks),
        tasks=tasks,
        params=dict(lab.params),
        digest=lab.digest,
        html=render(lab.readme(), {task.title: task.id for task in tasks}),
    )
