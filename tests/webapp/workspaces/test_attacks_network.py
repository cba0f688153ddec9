"""Attacks from inside a workspace on what listens: nothing of the machine answers but the student's own two doors."""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

import pytest

from tests.conftest import RealCluster
from tests.webapp.workspaces.conftest import TOKENS, House, Inside, StandIn, until
from webapp.platform.remains import command_line
from webapp.workspaces.hub_door import ALLOWED
from webapp.workspaces.processes import table

pytestmark = pytest.mark.portal

# Tells which of some (address, port) answer at all, and what the kernel says of the network.
KNOCK = """
import json, socket
found = []
for host, port in json.loads({targets!r}):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as knocking:
        knocking.settimeout(2)
        try:
            knocking.connect((host, port))
        except OSError:
            continue
        found.append([host, port])
print(json.dumps(found))
"""


def listening() -> list[tuple[str, int]]:
    """Every TCP port of this machine at which somebody listens, by the kernel's own list."""
    found = set()
    for file, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        for line in Path("/proc/net", file).read_text().splitlines()[1:]:
            words = line.split()
            if words[3] != "0A":
                continue
            address, port = words[1].split(":")
            found.add(("127.0.0.1" if family == socket.AF_INET else "::1", int(port, 16)))
            if family == socket.AF_INET:
                found.add((socket.inet_ntoa(int(address, 16).to_bytes(4, sys.byteorder)), int(port, 16)))
    return sorted(found)


def own_addresses() -> list[str]:
    """The machine's own addresses. No packet leaves it for these."""
    found = set()
    for line in Path("/proc/net/fib_trie").read_text().splitlines():
        words = line.split()
        if len(words) == 2 and words[0] == "|--":
            last = words[1]
        elif "host LOCAL" in line:
            found.add(last)
    return sorted(found)


def test_no_port_of_the_machine_answers_but_the_two_doors(
    house: House, ada: Inside, eve: Inside, api_servers: dict[int, StandIn]
) -> None:
    ports = {port for _, port in listening()}
    assert {house.hub.port, api_servers[1].port, api_servers[2].port} <= ports
    hosts = sorted({"127.0.0.1", "127.0.0.2", "127.1.2.3", "::1", *own_addresses()})
    targets = [(host, port) for host in hosts for port in sorted(ports)]
    answered = json.loads(eve.python(KNOCK.format(targets=json.dumps(targets))).output)
    # Eve's own API server is where her kubeconfig says, and it is hers.
    assert answered == [["127.0.0.1", api_servers[2].port]]
    assert json.loads(eve.python(KNOCK.format(targets=json.dumps([("127.0.0.1", 8081)]))).output)


def held_by_programs(folder: Path) -> dict[str, set[int]]:
    """The TCP ports at which the programs below a folder listen, by program."""
    ports: dict[str, int] = {}
    for file in ("tcp", "tcp6"):
        for words in (line.split() for line in Path("/proc/net", file).read_text().splitlines()[1:]):
            if words[3] == "0A":
                ports[f"socket:[{words[9]}]"] = int(words[1].split(":")[1], 16)
    found: dict[str, set[int]] = {}
    for pid in table():
        program = Path((command_line(pid) or [""])[0])
        if program.is_relative_to(folder):
            links = [os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()]  # noqa: PTH115
            found.setdefault(program.name, set()).update(ports[link] for link in links if link in ports)
    return found


@pytest.mark.cluster
def test_no_part_of_a_real_cluster_answers(eve: Inside, cluster: RealCluster) -> None:
    """Of somebody else's: its API server, etcd, KWOK, the controllers, the scheduler, and the metrics."""
    folder = next(folder for folder in cluster.admin.parents if folder.name == cluster.name)
    found = held_by_programs(folder)
    for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok-controller"):
        assert found.get(name), (name, found)
    assert any("metrics" in name and held for name, held in found.items()), found
    every = sorted(set().union(*found.values()))
    assert len(every) >= 5
    # etcd may listen at Unix sockets alone, which lie in the cluster's folder.
    assert "etcd" in found
    assert folder.is_dir()
    assert eve.run(f"test -e {folder}").code == 1
    for port in every:
        with socket.socket() as knocking:
            knocking.connect(("127.0.0.1", port))  # outside it is there
    targets = [(host, port) for host in ("127.0.0.1", "::1", *own_addresses()) for port in every]
    assert json.loads(eve.python(KNOCK.format(targets=json.dumps(targets))).output) == []


def test_another_students_api_server_is_not_there(eve: Inside, ada: Inside, api_servers: dict[int, StandIn]) -> None:
    before = len(api_servers[1].asked)
    for target in (f"127.0.0.1:{api_servers[1].port}", f"localhost:{api_servers[1].port}"):
        assert eve.run(f"curl -s -m 5 http://{target}/").code == 7
    assert len(api_servers[1].asked) == before
    own = eve.run(f"curl -s -m 5 http://127.0.0.1:{api_servers[2].port}/version")
    assert json.loads(own.output)["says"] == "eve's cluster"
    assert json.loads(ada.run(f"curl -s http://127.0.0.1:{api_servers[1].port}/").output)["says"] == "ada's cluster"


def test_there_is_no_network_but_the_loopback(eve: Inside) -> None:
    assert [line.split(":")[0].strip() for line in eve.run("cat /proc/net/dev").output.splitlines()[2:]] == ["lo"]
    # Nothing is sent: the kernel knows no way to an address of documentation.
    assert "unreachable" in eve.run("exec 3<>/dev/tcp/192.0.2.1/80").output.lower()
    assert "unreachable" in eve.run("echo x > /dev/udp/192.0.2.1/53").output.lower()


def test_abstract_unix_sockets_of_the_machine_are_not_there(eve: Inside) -> None:
    with socket.socket(socket.AF_UNIX) as held:
        held.bind("\0seatrial-attack")
        held.listen()
        knock = "import socket; s = socket.socket(socket.AF_UNIX); s.connect('\\0seatrial-attack')"
        assert "ConnectionRefusedError" in eve.python(knock).output


def test_the_only_unix_sockets_are_the_students_own(eve: Inside, api_servers: dict[int, StandIn]) -> None:
    found = eve.run("find / -xdev -type s 2>/dev/null; find /run /tmp /home /dev -type s").output.split()
    assert set(found) == {"/run/seatrial/sockets/hub.sock", f"/run/seatrial/sockets/{api_servers[2].port}.sock"}
    assert eve.run("rm -f /run/seatrial/sockets/hub.sock; test -S /run/seatrial/sockets/hub.sock").code == 0
    assert "Read-only" in eve.run("touch /run/seatrial/sockets/31000.sock").output


@pytest.mark.parametrize(
    "path",
    [
        "/hub/api/users", "/hub/api/users/ada", "/hub/api/users/ada/tokens", "/hub/api/groups", "/hub/api/proxy",
        "/hub/api/services", "/hub/api/shutdown", "/hub/api/info", "/hub/login", "/hub/admin", "/hub/token",
        "/services/portal/class", "/user/ada/api/terminals", "/user/ada/api/contents", "/", "//hub/api/users",
        "/hub/api/../api/users", "/hub/api/user/../users", "/hub/api/%2e%2e/users", "/hub/api/user%2f..%2fusers",
        "/hub/api/oauth2/authorize",
    ],
)  # fmt: skip
def test_the_hubs_door_passes_on_nothing_else(house: House, eve: Inside, path: str) -> None:
    before = len(house.hub.asked)
    for method in ("GET", "POST", "DELETE", "PUT", "PATCH"):
        asked = f"curl -s -o /dev/null -w %{{http_code}} --path-as-is -X {method} -H 'Authorization: token x'"
        assert eve.run(f"{asked} 'http://127.0.0.1:8081{path}'").output in ("403", "400")
    assert house.hub.asked[before:] == []


def test_a_second_request_hidden_in_the_first_is_no_request(house: House, eve: Inside) -> None:
    before = len(house.hub.asked)
    hidden = "GET /hub/api/users HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n"
    both = (
        "POST /hub/api/users/eve/activity HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 4\\r\\n"
        "Transfer-Encoding: chunked\\r\\n\\r\\n0\\r\\n\\r\\n" + hidden
    )
    eve.run(f"exec 3<>/dev/tcp/127.0.0.1/8081; printf '{both}' >&3; timeout 5 cat <&3")
    assert all("/hub/api/users/eve/activity" in path for _, path, _ in house.hub.asked[before:])


def test_the_hub_sees_whose_token_it_is_and_the_student_no_cookie(house: House, eve: Inside) -> None:
    asked = "curl -si -H \"Authorization: token $JUPYTERHUB_API_TOKEN\" -H 'Cookie: a=b' http://127.0.0.1:8081"
    answer = eve.run(f"{asked}/hub/api/user").output
    assert '"says": "hub"' in answer
    assert "cookie" not in answer.lower()
    assert house.hub.asked[-1] == ("GET", "/hub/api/user", f"token {TOKENS[2]}")


def test_what_the_notebook_server_asks_is_passed_on(house: House, eve: Inside) -> None:
    for method, path in (
        ("GET", "/hub/api"),
        ("GET", "/hub/api/user"),
        ("POST", "/hub/api/oauth2/token"),
        ("POST", "/hub/api/users/%C3%B6mer%20%C3%A7/activity"),
    ):
        assert '"says": "hub"' in eve.run(f"curl -s -X {method} 'http://127.0.0.1:8081{path}'").output
        assert house.hub.asked[-1][:2] == (method, path)
    assert len(ALLOWED) == 4


def test_a_request_that_comes_in_pieces_is_passed_on_whole(house: House, eve: Inside) -> None:
    told = eve.python("""
import http.client
def pieces(*some):
    yield from some
for body, chunked in ((pieces(b"one ", b"two ", b"three"), True), (pieces(b"x" * 200_000, b"y" * 200_000), True)):
    connection = http.client.HTTPConnection("127.0.0.1", 8081, timeout=20)
    try:
        connection.request("POST", "/hub/api/users/eve/activity", body=body, encode_chunked=chunked)
        print(connection.getresponse().status)
    except (ConnectionResetError, BrokenPipeError):
        print("cut off")
connection = http.client.HTTPConnection("127.0.0.1", 8081, timeout=20)
connection.putrequest("POST", "/hub/api/users/eve/activity")
connection.putheader("Content-Length", "8")
connection.endheaders(b"half")
connection.sock.setsockopt(6, 1, 1)
import time; time.sleep(0.2)  # so that they are two pieces: nothing waits for it
connection.send(b"half")
print(connection.getresponse().status)
""")
    first, second, third = told.output.split("\n")[:3]
    assert (first, third) == ("200", "200"), told.output
    assert second in ("413", "cut off")
    assert house.hub.bodies[-2:] == [b"one two three", b"halfhalf"]


def test_one_student_cannot_use_up_the_relay(
    house: House, ada: Inside, eve: Inside, api_servers: dict[int, StandIn]
) -> None:
    hold = f"""
import socket
held = []
for _ in range(900):
    s = socket.socket()
    s.connect(("127.0.0.1", {api_servers[2].port}))
    held.append(s)
print(len(held))
"""
    eve.python(hold)
    assert json.loads(ada.run(f"curl -s -m 10 http://127.0.0.1:{api_servers[1].port}/").output)["says"]
    assert '"says"' in ada.run("curl -s -m 10 http://127.0.0.1:8081/hub/api").output
    own = f"curl -s -m 10 http://127.0.0.1:{api_servers[2].port}/"
    until(lambda: "eve's cluster" in eve.run(own).output, "her own way is free again")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives each student a user of their own")
def test_a_door_is_closed_to_every_other_user(house: House, ada: Inside, api_servers: dict[int, StandIn]) -> None:
    """Should a socket ever be seen by somebody else, it is still not theirs."""
    for name in ("hub.sock", f"{api_servers[1].port}.sock"):
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(10)
            asking.connect(str(ada.place.sockets / name))
            try:
                asking.sendall(b"GET /hub/api HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                answer = asking.recv(100)
            except (ConnectionResetError, BrokenPipeError):
                answer = b""
            assert not answer or answer.startswith(b"HTTP/1.1 403")
