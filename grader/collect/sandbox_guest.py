"""Runs inside the sandbox, by itself: it imports nothing of ours, and there is nothing of ours to import.

    python -I sandbox_guest.py SOCKET NAMESPACE STATUS_FD PROGRAM

Listens on a port of the sandbox's own loopback interface and carries each connection to SOCKET, which leads to the API
server; writes a kubeconfig (no credentials) that names that port; runs PROGRAM. "started" and "exited CODE" are written
to STATUS_FD, so that a program that fails cannot be mistaken for a sandbox that does.
"""

import os
import resource
import socket
import subprocess
import sys
import threading

# Bytes of address space, bytes of a file, processes and open files that the program may use.
LIMITS = {
    resource.RLIMIT_AS: 4 << 30,
    resource.RLIMIT_FSIZE: 64 << 20,
    resource.RLIMIT_NPROC: 256,
    resource.RLIMIT_NOFILE: 256,
    resource.RLIMIT_CORE: 0,
}

KUBECONFIG = """\
apiVersion: v1
kind: Config
clusters: [{name: lab, cluster: {server: "http://127.0.0.1:%d"}}]
contexts: [{name: lab, context: {cluster: lab, namespace: "%s"}}]
current-context: lab
"""


def pump(source: socket.socket, sink: socket.socket) -> None:
    """Carry bytes one way until either end closes."""
    try:
        while chunk := source.recv(1 << 16):
            sink.sendall(chunk)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        source.close()


def relay(listener: socket.socket, path: str) -> None:
    """Give every connection a way to the socket."""
    while True:
        here, _ = listener.accept()
        there = socket.socket(socket.AF_UNIX)
        try:
            there.connect(path)
        except OSError:
            here.close()
            continue
        for one, other in ((here, there), (there, here)):
            threading.Thread(target=pump, args=(one, other), daemon=True).start()


def limit() -> None:
    """What the program may use at most."""
    for name, most in LIMITS.items():
        resource.setrlimit(name, (most, most))


def main(path: str, namespace: str, status: int, program: str) -> None:
    """Listen, then run the program to its end."""
    listener = socket.create_server(("127.0.0.1", 0))
    with open(os.environ["KUBECONFIG"], "w", encoding="utf-8") as file:  # noqa: PTH123 - no more imports than needed
        file.write(KUBECONFIG % (listener.getsockname()[1], namespace))
    threading.Thread(target=relay, args=(listener, path), daemon=True).start()
    try:
        child = subprocess.Popen([program], stdin=subprocess.DEVNULL, preexec_fn=limit)  # noqa: PLW1509 - no locks are held
    except OSError as fault:
        sys.exit(f"{fault.strerror} (is it there, executable, and does its first line name a program?)")
    os.write(status, b"started\n")
    os.write(status, b"exited %d\n" % child.wait())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
