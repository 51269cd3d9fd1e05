"""A real HTTP server on loopback that keeps what it is sent, and that can fail or hang."""

import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType


@dataclass
class Receiver:
    """Keeps (path, body) of each POST; use it in ``with``."""

    status: int = 200
    hangs: threading.Event | None = None
    got: list[tuple[str, bytes]] = field(default_factory=list)

    def __enter__(self) -> "Receiver":
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                receiver.got.append((self.path, body))
                if receiver.hangs is not None:
                    receiver.hangs.wait(60)
                self.send_response(receiver.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self.hangs is not None:
            self.hangs.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(30)

    def bodies(self) -> list[bytes]:
        return [body for _path, body in list(self.got)]
