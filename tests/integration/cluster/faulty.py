"""A small proxy before Elasticsearch that fails as an overloaded or a dead one does."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread

import httpx

BUSY = {"type": "es_rejected_execution_exception", "reason": "queue is full"}


class FaultyElastic:
    """`down`: every connection is cut. `busy`: so many more bulks are refused as a whole (429). `partial`: of so many
    more bulks, every second item is refused (429) and the others are written. A context manager."""

    def __init__(self, target: str) -> None:
        self.target, self.down, self.busy, self.partial = target, False, 0, 0
        self.refused = 0
        self._lock = Lock()
        self._http = httpx.Client(timeout=30)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "FaultyElastic":
        Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._http.close()

    def answer(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        if path.startswith("/_bulk"):
            with self._lock:
                whole, part = self.busy > 0, self.partial > 0
                self.busy -= whole
                self.partial -= part and not whole
            if whole:
                self.refused += 1
                return 429, json.dumps({"error": BUSY, "status": 429}).encode()
            if part:
                return 200, self._half(path, body)
        given = self._http.request(method, self.target + path, content=body, headers=headers)
        return given.status_code, given.content

    def _half(self, path: str, body: bytes) -> bytes:
        lines = body.rstrip(b"\n").split(b"\n")
        pairs = [lines[i : i + 2] for i in range(0, len(lines), 2)]
        kept = b"".join(line + b"\n" for pair in pairs[1::2] for line in pair)
        headers = {"content-type": "application/x-ndjson", "accept": "application/json"}
        given = self._http.post(self.target + path, content=kept, headers=headers).json()["items"] if kept else []
        refused = {"index": {"status": 429, "error": BUSY}}
        self.refused += len(pairs) - len(given)
        return json.dumps({"items": [given[i // 2] if i % 2 else refused for i in range(len(pairs))]}).encode()


def _handler(proxy: FaultyElastic) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            if proxy.down:
                self.close_connection = True
                self.connection.close()
                return
            kept = {k: v for k, v in self.headers.items() if k.lower() in {"content-type", "accept"}}
            status, answer = proxy.answer(self.command, self.path, body, kept)
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("x-elastic-product", "Elasticsearch")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _pass  # noqa: N815 - the base's names

        def log_message(self, format: str, *args: object) -> None:
            return

    return Handler
