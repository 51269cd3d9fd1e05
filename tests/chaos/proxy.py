"""A TCP proxy before a Unix socket that can do to its clients what networks and wrong servers do."""

import selectors
import socket
import threading
from contextlib import suppress
from pathlib import Path


class Proxy:
    """Passes bytes both ways, until it is told to `swallow`, to `reset` or to `answer_garbage`."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._deaf: set[socket.socket] = set()
        self._speaks_garbage = False
        self._reset_due = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def swallow(self) -> int:
        """Let every connection there is go deaf; answers how many."""
        self._deaf.update(end for pair in self._pairs for end in pair)
        return len(self._pairs)

    def reset(self) -> None:
        """Break every connection there is; those made afterwards pass."""
        self._reset_due = True

    def answer_garbage(self, on: bool) -> None:
        """Be a server of another kind for a while: every connection gets an answer that is not Redis'."""
        self._speaks_garbage = on
        self._reset_due = True

    def close(self) -> None:
        """End it all."""
        self._stop.set()
        self._thread.join(30)
        for end in (self._listening, *(end for pair in self._pairs for end in pair)):
            end.close()

    def _run(self) -> None:
        with selectors.DefaultSelector() as ready:
            ready.register(self._listening, selectors.EVENT_READ)
            while not self._stop.is_set():
                if self._reset_due:
                    self._reset_due = False
                    self._break_all(ready)
                for key, _ in ready.select(0.1):
                    if key.fileobj is self._listening:
                        self._accept(ready)
                    else:
                        self._pass_on(ready, key)

    def _accept(self, ready: selectors.BaseSelector) -> None:
        near, _ = self._listening.accept()
        if self._speaks_garbage:
            with suppress(OSError):
                near.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            near.close()
            return
        far = socket.socket(socket.AF_UNIX)
        try:
            far.connect(str(self._target))
        except OSError:  # the server is away
            near.close()
            far.close()
            return
        self._pairs.append((near, far))
        ready.register(near, selectors.EVENT_READ, far)
        ready.register(far, selectors.EVENT_READ, near)

    def _break_all(self, ready: selectors.BaseSelector) -> None:
        for end in [end for pair in self._pairs for end in pair]:
            with suppress(KeyError, ValueError):
                ready.unregister(end)
            end.close()
        self._pairs.clear()

    def _pass_on(self, ready: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
        here, there = key.fileobj, key.data
        assert isinstance(here, socket.socket)
        with suppress(OSError):
            data = here.recv(65536)
            if here in self._deaf:
                return
            if data:
                there.sendall(data)
                return
        for end in (here, there):
            with suppress(KeyError, ValueError):
                ready.unregister(end)
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
