"""Downloads against a server that serves well, badly, slowly, half, and not at all."""

from __future__ import annotations

import hashlib
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from clusters.tools.download import DownloadError, Patience, Source, WrongChecksum, fetch
from clusters.tools.pins import Asset
from tests.fakes.releases import Releases, serving
from tests.fakes.watch import FullDisk, Recorder

URL = "https://releases.example/v1/linux/tool"
CONTENT = os.urandom(600_000)
TOOL = Asset(URL, f"{URL}.sha256", None)
PATIENCE = Patience(reach=5, stall=10, attempts=3, pause=0.001)


@pytest.fixture
def releases() -> Iterator[Releases]:
    with serving(Releases()) as running:
        digest = running.publish(URL, CONTENT)
        running.publish(f"{URL}.sha256", digest.encode())
        yield running


def source(releases: Releases, **changes: object) -> Source:
    return Source(mirrors=releases.mirrors("releases.example", "api.github.com"), patience=PATIENCE, **changes)  # type: ignore[arg-type]


def get(
    releases: Releases, folder: Path, asset: Asset = TOOL, watch: Recorder | None = None
) -> Path | DownloadError | WrongChecksum:
    return fetch([asset], folder, source(releases), watch or Recorder())[asset]


def content(result: Path | DownloadError | WrongChecksum) -> bytes:
    assert isinstance(result, Path), result
    return result.read_bytes()


def test_good(releases: Releases, tmp_path: Path) -> None:
    watch = Recorder()
    assert content(get(releases, tmp_path, watch=watch)) == CONTENT
    assert watch.begun == watch.ended == ["tool"]
    assert watch.parts[-1] == 1.0


def test_a_wrong_checksum_leaves_nothing(releases: Releases, tmp_path: Path) -> None:
    releases.publish(f"{URL}.sha256", b"0" * 64)
    result = get(releases, tmp_path)
    assert isinstance(result, WrongChecksum)
    assert "0" * 64 in str(result)
    assert hashlib.sha256(CONTENT).hexdigest() in str(result)
    assert list(tmp_path.iterdir()) == []
    assert len(releases.asked(URL)) == 1, "a wrong file is not asked for again"


def test_truncated_is_taken_up_again_where_it_broke_off(releases: Releases, tmp_path: Path) -> None:
    releases.cut[releases.path(URL)] = [200_000, 100_000]
    assert content(get(releases, tmp_path)) == CONTENT
    assert [request.start for request in releases.asked(URL)] == [0, 200_000, 300_000]


def test_truncated_every_time_is_given_up(releases: Releases, tmp_path: Path) -> None:
    releases.ranges = False
    releases.cut[releases.path(URL)] = [200_000] * 20
    result = get(releases, tmp_path)
    assert isinstance(result, DownloadError)
    assert "cannot be downloaded" in str(result)
    # The first attempt brought something new, the three after it nothing.
    assert len(releases.asked(URL)) == 1 + PATIENCE.attempts


def test_a_server_without_ranges_sends_all_of_it_again(releases: Releases, tmp_path: Path) -> None:
    releases.ranges = False
    releases.cut[releases.path(URL)] = [200_000]
    assert content(get(releases, tmp_path)) == CONTENT


def test_404_is_not_tried_again(releases: Releases, tmp_path: Path) -> None:
    del releases.files[releases.path(URL)]
    result = get(releases, tmp_path)
    assert isinstance(result, DownloadError)
    assert "404" in str(result)
    assert URL.rsplit("/", 1)[-1] in str(result)
    assert len(releases.asked(URL)) == 1


def test_a_server_that_stumbles_is_asked_again(releases: Releases, tmp_path: Path) -> None:
    releases.status[releases.path(URL)] = [503, 429]
    releases.status[releases.path(f"{URL}.sha256")] = [500]
    assert content(get(releases, tmp_path)) == CONTENT


def test_slow_is_waited_for(releases: Releases, tmp_path: Path) -> None:
    releases.dribble[releases.path(URL)] = 4_000
    watch = Recorder()
    assert content(get(releases, tmp_path, watch=watch)) == CONTENT
    assert watch.parts == sorted(part or 0 for part in watch.parts)


def test_stalled_is_taken_up_again(releases: Releases, tmp_path: Path) -> None:
    releases.stalls[releases.path(URL)] = 2
    impatient = Source(releases.mirrors("releases.example"), patience=Patience(stall=0.3, attempts=3, pause=0.001))
    assert content(fetch([TOOL], tmp_path, impatient, Recorder())[TOOL]) == CONTENT
    assert [request.start for request in releases.asked(URL)] == [0, 300_000, 450_000]


def test_an_earlier_run_is_resumed(releases: Releases, tmp_path: Path) -> None:
    releases.cut[releases.path(URL)] = [200_000] + [0] * 9
    assert isinstance(get(releases, tmp_path), DownloadError)
    (part,) = tmp_path.iterdir()
    assert part.stat().st_size == 200_000
    releases.cut.clear()
    releases.requests.clear()
    assert content(get(releases, tmp_path)) == CONTENT
    assert [request.start for request in releases.asked(URL)] == [200_000]


def test_a_complete_part_is_not_downloaded_again(releases: Releases, tmp_path: Path) -> None:
    first = get(releases, tmp_path)
    assert get(releases, tmp_path) == first
    assert [request.start for request in releases.asked(URL)] == [0, len(CONTENT)]


def test_a_damaged_part_is_thrown_away(releases: Releases, tmp_path: Path) -> None:
    digest = hashlib.sha256(CONTENT).hexdigest()
    (tmp_path / f"tool-{digest[:16]}.part").write_bytes(b"rubbish")
    assert content(get(releases, tmp_path)) == CONTENT
    (tmp_path / f"tool-{digest[:16]}.part").write_bytes(CONTENT + b"and more")
    assert content(get(releases, tmp_path)) == CONTENT


def test_a_part_of_another_version_is_left_alone(releases: Releases, tmp_path: Path) -> None:
    other = tmp_path / "tool-0123456789abcdef.part"
    other.write_bytes(b"of another version")
    assert content(get(releases, tmp_path)) == CONTENT
    assert releases.asked(URL)[0].start == 0
    assert other.read_bytes() == b"of another version"


@pytest.mark.parametrize(
    "published",
    [
        "{sum}",
        "{sum}\n",
        "{sum}  tool\n",
        "{upper} *tool\n",
        "{zeros}  other\n{sum}  bin/tool\n",
        "### SHA256SUMS\n{zeros}  tool.zip\n{sum}  tool\n",
    ],
)
def test_the_ways_in_which_checksums_are_published(releases: Releases, tmp_path: Path, published: str) -> None:
    digest = hashlib.sha256(CONTENT).hexdigest()
    text = published.format(sum=digest, upper=digest.upper(), zeros="0" * 64)
    releases.publish(f"{URL}.sha256", text.encode())
    assert content(get(releases, tmp_path)) == CONTENT


@pytest.mark.parametrize("published", ["", "<html>Please sign in to the airport's network</html>", "{zeros}  other\n"])
def test_without_a_published_checksum_nothing_is_downloaded(releases: Releases, tmp_path: Path, published: str) -> None:
    releases.publish(f"{URL}.sha256", published.format(zeros="0" * 64).encode())
    result = get(releases, tmp_path)
    assert isinstance(result, DownloadError)
    assert "states no SHA-256 for tool" in str(result)
    assert releases.asked(URL) == []


RECORD = "https://api.github.com/repos/someone/tool/releases/tags/v1"


def test_github_states_the_digest_of_a_file_without_a_checksum_file(releases: Releases, tmp_path: Path) -> None:
    files = [
        {"name": "other", "digest": "sha256:" + "0" * 64},
        {"name": "tool", "digest": "sha256:" + hashlib.sha256(CONTENT).hexdigest()},
    ]
    releases.publish(RECORD, json.dumps({"assets": files}).encode())
    asset = Asset(URL, None, RECORD)
    token = source(releases, github_token="shown-to-github-only")
    assert content(fetch([asset], tmp_path, token, Recorder())[asset]) == CONTENT
    shown = {request.path: request.headers.get("Authorization") for request in releases.requests}
    assert shown[releases.path(RECORD)] == "Bearer shown-to-github-only"
    assert shown[releases.path(URL)] is None


@pytest.mark.parametrize(
    "record", ["[]", "rubbish", '{"assets": null}', '{"assets": [{"name": "tool", "digest": null}]}', '{"assets": [1]}']
)
def test_a_record_without_a_digest_is_no_checksum(releases: Releases, tmp_path: Path, record: str) -> None:
    releases.publish(RECORD, record.encode())
    assert isinstance(get(releases, tmp_path, Asset(URL, None, RECORD)), DownloadError)
    assert releases.asked(URL) == []


def test_several_at_once_ask_a_host_and_a_checksum_file_once(releases: Releases, tmp_path: Path) -> None:
    sums, assets = [], []
    for number in range(6):
        url = f"https://releases.example/v1/{number}"
        sums.append(f"{releases.publish(url, os.urandom(1000))}  {number}")
        assets.append(Asset(url, "https://releases.example/v1/SHA256SUMS", None))
    releases.publish("https://releases.example/v1/SHA256SUMS", "\n".join(sums).encode())
    results = fetch(assets, tmp_path, source(releases), Recorder())
    assert all(isinstance(result, Path) for result in results.values())
    assert len(releases.asked("https://releases.example/v1/SHA256SUMS")) == 1
    assert [request.method for request in releases.requests].count("HEAD") == 1


def test_a_host_that_does_not_answer_is_asked_once_for_all(tmp_path: Path) -> None:
    with socket.socket() as listening:  # bound, but nobody listens: the connection is refused
        listening.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{listening.getsockname()[1]}"
        assets = [Asset(f"https://gone.example/{n}", f"https://gone.example/{n}.sha256", None) for n in range(5)]
        results = fetch(assets, tmp_path, Source(mirrors={"gone.example": nowhere}, patience=PATIENCE), Recorder())
    assert len({str(result) for result in results.values()}) == 1
    assert all("is out of reach" in str(result) for result in results.values())


def test_a_host_that_accepts_and_never_answers_is_out_of_reach(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        base = f"http://127.0.0.1:{silent.getsockname()[1]}"
        asset = Asset("https://silent.example/a", "https://silent.example/a.sha256", None)
        patience = Patience(reach=0.2)
        result = fetch([asset], tmp_path, Source({"silent.example": base}, patience=patience), Recorder())[asset]
    assert isinstance(result, DownloadError)
    assert "no answer in time" in str(result)


def test_a_full_disk_ends_the_download(releases: Releases, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left"):
        get(releases, tmp_path, watch=FullDisk())
