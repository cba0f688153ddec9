"""The catalogue: labs as they are on disk, each student's own values, and what comes next."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grader import labfile
from webapp.catalog import services
from webapp.catalog.services import Progress, Standing
from webapp.errors import Refused

Write = Callable[..., Path]


def test_a_lab_as_a_student_reads_it(labs: Write) -> None:
    labs("09-services", title="Services")
    (page,) = services.labs(student="ada", secret="s")
    assert (page.slug, page.number, page.title, page.points) == ("services", "09", "Services", 5.0)
    assert [(task.id, task.hint) for task in page.tasks] == [("one", True), ("two", False)]
    assert f"The port is {page.params['port']}." in page.html
    assert 'id="text-one"' in page.html


def test_values_are_those_that_the_grader_draws(labs: Write) -> None:
    folder = labs("09-services")
    for name in ("ada", "bob", "eve", "wim", "\U0001f9ed"):
        drawn = labfile.read(folder, student=name, secret="s").params
        assert services.page("services", student=name, secret="s").params == drawn


def test_a_sessions_own_values_win(labs: Write) -> None:
    labs("09-services")
    page = services.page("services", student="ada", secret="s", params={"port": 1234})
    assert "The port is 1234." in page.html
    assert services.hint("services", "one", params={"port": 1234}) == "Look at 1234 here."


def test_a_lab_that_changes_is_read_again(labs: Write) -> None:
    labs("09-services", title="Before")
    assert services.page("services").title == "Before"
    labs("09-services", title="After it")
    assert services.page("services").title == "After it"


@pytest.mark.parametrize("name", ["lab.yaml", "README.md"])
@pytest.mark.parametrize("content", [None, "", "title: [", "\x00\xff", "tasks: []\n"])
def test_a_lab_that_is_being_written_stays_as_it_was(labs: Write, name: str, content: str | None) -> None:
    labs("01-other")
    folder = labs("09-services", title="Whole")
    before = services.page("services", student="ada", secret="s")
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content.encode("latin-1"))
    if name == "lab.yaml" and content is None:
        # Without a lab.yaml the folder is no lab any more.
        with pytest.raises(Refused) as gone:
            services.page("services", student="ada", secret="s")
        assert gone.value.status == 404
        return
    if name == "README.md" and content in ("", "title: [", "tasks: []\n"):
        assert services.page("services", student="ada", secret="s").title == "Whole"
        return
    assert services.page("services", student="ada", secret="s") == before
    assert "09-services" in services.faults()
    labs("09-services", title="Mended")
    assert services.page("services", student="ada", secret="s").title == "Mended"
    assert services.faults() == {}


def test_a_lab_that_never_could_be_read_is_told_to_its_author(labs: Write) -> None:
    labs("01-good")
    (labs("02-bad") / "lab.yaml").write_text("title: [", encoding="utf-8")
    assert [page.slug for page in services.labs()] == ["good"]
    assert "02-bad" in services.faults()
    with pytest.raises(Refused) as refused:
        services.page("bad")
    assert refused.value.status == 503


@pytest.mark.parametrize(
    "slug",
    [
        "",
        ".",
        "..",
        "../services",
        "..%2fservices",
        "/etc",
        "09-services",
        "services/",
        "SERVICES",
        "a" * 5000,
        "\x00",
        "\u202e",
    ],
)
def test_a_slug_is_never_a_path(labs: Write, slug: str) -> None:
    labs("09-services")
    with pytest.raises(Refused) as refused:
        services.page(slug)
    assert refused.value.status == 404


@given(st.text(max_size=90))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_text_but_a_slug_finds_a_lab(labs: Write, slug: str) -> None:
    labs("09-services")
    if slug != "services":
        with pytest.raises(Refused):
            services.page(slug)


def test_a_hint_that_is_not_there(labs: Write) -> None:
    labs("09-services")
    for task in ("two", "three", "", "../one"):
        with pytest.raises(Refused) as refused:
            services.hint("services", task)
        assert refused.value.status == 404


def test_pages_are_shared_by_those_who_drew_the_same(labs: Write) -> None:
    labs("01-plain", more="")
    first = services.page("plain", student="ada", secret="s")
    assert services.page("plain", student="bob", secret="s") is first


def tracks(progress: dict[str, Standing]) -> dict[str, tuple[tuple[str, ...], bool]]:
    """Each lab's slug: what it waits for, and whether it is next; in the order in which they are shown."""
    given = {slug: Progress(standing) for slug, standing in progress.items()}
    made = services.tracks(services.labs(), given)
    return {e.lab.slug: (e.waits_for, e.next) for track in made for e in track.entries}


def test_what_comes_next(labs: Write) -> None:
    labs("01-a")
    labs("02-b", after="[a]")
    labs("03-c", level="advanced", after="[b, nowhere]")
    labs("04-d", level="intermediate", after="[a]")
    assert list(tracks({})) == ["a", "b", "d", "c"]
    assert tracks({})["a"] == ((), True)
    assert tracks({})["c"] == (("B",), False)
    assert tracks({"a": Standing.COMPLETE})["b"] == ((), True)
    assert tracks({"a": Standing.HANDED_IN})["a"] == ((), True)
    assert tracks({"a": Standing.HANDED_IN, "d": Standing.OPEN})["d"] == (("A",), True)
    assert not any(following for _, following in tracks(dict.fromkeys("abcd", Standing.COMPLETE)).values())


def test_a_lab_comes_after_those_before_it_whatever_its_number(labs: Write) -> None:
    labs("01-late", after="[early]")
    labs("02-early")
    assert list(tracks({})) == ["early", "late"]


@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
def test_any_graph_of_labs_is_ordered_and_one_is_next(labs: Write, data: st.DataObject) -> None:
    slugs = ["a", "b", "c", "d", "e"]
    for number, slug in enumerate(slugs):
        after = data.draw(st.lists(st.sampled_from([*slugs, "gone"]), max_size=3))
        labs(f"{number:02}-{slug}", after=f"[{', '.join(after)}]", more="")
    standings = data.draw(st.dictionaries(st.sampled_from(slugs), st.sampled_from(list(Standing))))
    shown = tracks(standings)
    assert sorted(shown) == slugs
    unfinished = [slug for slug in slugs if standings.get(slug) is not Standing.COMPLETE]
    assert sum(following for _, following in shown.values()) == bool(unfinished)


def test_a_file_that_is_replaced_with_its_old_time_is_read_again(labs: Write) -> None:
    folder = labs("09-services", title="Before")
    services.page("services")
    old = (folder / "lab.yaml").stat()
    new = folder / "lab.new"
    new.write_text((folder / "lab.yaml").read_text().replace("Before", "Behind"), encoding="utf-8")
    os.utime(new, ns=(old.st_atime_ns, old.st_mtime_ns))
    new.replace(folder / "lab.yaml")
    assert services.page("services").title == "Behind"
