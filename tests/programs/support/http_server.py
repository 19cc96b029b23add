"""An HTTP server for programs to talk to: answers in threads, after pauses of random length.

python http_server.py PORT
"""

import json
import random
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        time.sleep(random.random() * 0.01)
        if self.path.startswith("/slow"):
            time.sleep(0.3)
        if self.path.startswith("/stream"):
            return self.stream()
        if self.path.startswith("/redirect"):
            return self.answer(302, b"", [("Location", "/json")])
        if self.path.startswith("/missing"):
            return self.answer(404, b"no such page")
        if self.path.startswith("/break"):
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ncut")
            self.close_connection = True
            return None
        value = {"path": self.path, "number": random.random(), "client": self.client_address[1]}
        return self.answer(
            200, json.dumps(value).encode(), [("Set-Cookie", f"session={random.getrandbits(32)}")]
        )

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(200, body[::-1])

    def stream(self):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for _ in range(random.randrange(3, 8)):
            chunk = random.randbytes(random.randrange(1, 2000)).hex().encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            time.sleep(random.random() * 0.002)
        self.wfile.write(b"0\r\n\r\n")

    def answer(self, status, body, headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


ThreadingHTTPServer.daemon_threads = True
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
