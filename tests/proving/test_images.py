"""The images of labs: found, told, fetched and loaded with an engine that only pretends."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from clusters import store
from clusters.errors import PermanentError
from clusters.kind import ingress
from clusters.model import ClusterSpec
from grader import labfile
from proving import images
from proving.images_cli import images as command
from tests.fakes.clusters import FakeProvider
from tests.fakes.engine import FakeEngine
from tests.fakes.watch import Recorder

LABS = Path(__file__).parents[2] / "labs"


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    place = tmp_path / "bin"
    place.mkdir()
    for name in ("sh", "cat", "grep"):
        (place / name).symlink_to(str(shutil.which(name)))
    monkeypatch.setenv("PATH", str(place))
    return FakeEngine(place)


def test_what_a_lab_lists_and_what_its_files_name_are_its_images() -> None:
    assert images.wanted(labfile.read(LABS / "07-deployments")) == ("nginx:1.27", "nginx:1.28")
    assert set(images.wanted(labfile.read(LABS / "21-hpa"))) == {"busybox:1.37"}


def test_an_image_that_only_the_setup_names_is_found_too(tmp_path: Path) -> None:
    lab = tmp_path / "90-lamp"
    shutil.copytree(Path(__file__).parents[1] / "fakes" / "labs" / "90-lamp", lab)
    spec = {"containers": [{"name": "a", "image": "setup:1"}], "initContainers": [{"name": "b", "image": "init:1"}]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": spec}
    (lab / "setup" / "pod.yaml").write_text(json.dumps(pod))
    with (lab / "solution" / "run.sh").open("a") as script:
        script.write("\nkubectl run y --image=run:1\nkubectl set image deployment y main=set:1\n")
    assert {"setup:1", "init:1", "run:1", "set:1"} <= set(images.wanted(labfile.read(lab)))


def test_a_lab_that_needs_an_ingress_controller_runs_its_image_too(tmp_path: Path) -> None:
    lab = tmp_path / "90-lamp"
    shutil.copytree(Path(__file__).parents[1] / "fakes" / "labs" / "90-lamp", lab)
    assert ingress.image() not in images.of_labs([lab])
    file = lab / "lab.yaml"
    file.write_text(file.read_text().replace("tasks:\n", "needs: [ingress]\ntasks:\n", 1))
    assert images.of_labs([lab])[ingress.image()] == ("lamp",)


def test_a_lab_whose_image_is_missing_says_so_before_it_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    provider = FakeProvider()
    provider.create(ClusterSpec("one"))
    lab = labfile.read(LABS / "01-first-pod")
    images.bring(lab, provider, "one")
    assert provider.brought == list(images.wanted(lab))
    provider.lacks = ("nginx:1.28",)
    with pytest.raises(PermanentError, match=r"lab first-pod runs nginx:1\.28, which neither .* images pull first-pod"):
        images.bring(lab, provider, "one")
    store.remove("one")


def test_the_list_tells_which_images_are_here(engine: FakeEngine) -> None:
    engine.has("nginx:1.27")
    done = CliRunner().invoke(command, ["list", "-o", "json"])
    assert done.exit_code == 0, done.output
    rows = {row["image"]: row for row in json.loads(done.stdout)}
    assert rows["nginx:1.27"]["here"] is True
    assert rows["nginx:1.28"]["here"] is False
    assert "deployments" in rows["nginx:1.28"]["labs"]


def test_without_an_engine_the_list_does_not_pretend_to_know(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    rows = json.loads(CliRunner().invoke(command, ["list", "services", "-o", "json"]).stdout)
    assert [row["here"] for row in rows] == [None]
    done = CliRunner().invoke(command, ["pull", "services"])
    assert done.exit_code == 3
    assert "neither docker nor podman is on PATH" in done.stderr


def test_only_what_lacks_is_pulled_and_the_rest_of_a_refusal_still_comes(engine: FakeEngine) -> None:
    engine.has("nginx:1.27")
    engine.registry_has("busybox:1.37")
    with pytest.raises(PermanentError, match=r"no registry gives nginx:1\.28"):
        images.pull([LABS / "07-deployments", LABS / "21-hpa"], Recorder())
    assert [asked for asked in engine.asked() if asked.startswith("pull")] == ["pull busybox:1.37", "pull nginx:1.28"]
    engine.registry_has("nginx:1.28")
    fetched = images.pull([LABS / "07-deployments", LABS / "21-hpa"], Recorder())
    assert fetched == (["nginx:1.28"], ["busybox:1.37", "nginx:1.27"])


def test_a_full_disk_is_told_and_nothing_is_said_to_be_fetched(engine: FakeEngine) -> None:
    engine.full()
    done = CliRunner().invoke(command, ["pull", "services"])
    assert done.exit_code == 3
    assert "the disk of docker is full" in done.stderr
    assert done.stdout == ""


def test_images_are_loaded_from_a_whole_file_only(engine: FakeEngine, tmp_path: Path) -> None:
    (tmp_path / "whole.tar").write_text("images: nginx\n")
    (tmp_path / "torn.tar").write_text("imag")
    done = CliRunner().invoke(command, ["load", str(tmp_path / "whole.tar")])
    assert (done.exit_code, done.stdout) == (0, "nginx:1.27\n")
    for name, said in (("torn.tar", "is not a whole file of images"), ("none.tar", "there is no file")):
        done = CliRunner().invoke(command, ["load", str(tmp_path / name)])
        assert done.exit_code == 3
        assert said in done.stderr


def test_an_unknown_lab_is_named_with_the_nearest(engine: FakeEngine) -> None:
    done = CliRunner().invoke(command, ["pull", "servces"])
    assert done.exit_code == 2
    assert "services" in done.stderr
