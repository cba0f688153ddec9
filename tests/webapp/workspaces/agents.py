"""What runs in a sandbox in place of the notebook server: it runs the attacks that a test sends it.

One HTTP request is one bash script; the answer is JSON: its exit code and what it printed. Standard library alone.
"""

AGENT = r"""
import http.server
import json
import subprocess


class Agent(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer({"code": 0, "output": "here"})

    def do_POST(self) -> None:
        script = self.rfile.read(int(self.headers["Content-Length"])).decode()
        done = subprocess.run(
            ["/bin/bash", "--noprofile", "-c", script],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        self._answer({"code": done.returncode, "output": done.stdout.decode(errors="replace")})

    def log_message(self, *args: object) -> None:
        pass

    def _answer(self, told: object) -> None:
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


http.server.ThreadingHTTPServer(("127.0.0.1", 8888), Agent).serve_forever()
"""
