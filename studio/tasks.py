"""The processes that look and render: `python -m studio.tasks FD …`, started by `studio.pool`.

One process loads numpy and PyAV once and forks a worker for each of its sockets, so that a worker is there in
milliseconds. A worker takes a task as a line of JSON, one at a time, and answers with lines of JSON: any
number of `{"progress": 12.5}`, then `{"result": …}`, `{"failed": "…"}` or `{"cancelled": true}`. Sound and
pictures stay in files. When a worker crashes, the process that forked it answers `{"crashed": "…"}` in its
place and forks another: the crash harms one clip. Everybody ends when the studio closes the sockets.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from studio.analyse import look
from studio.errors import RenderCancelled, RenderFailed
from studio.media import MediaInfo
from studio.music.moods import mood_for
from studio.render import render

_REPORT_EVERY_S = 0.2
_END_WITHIN_S = 4.0
_log = logging.getLogger("studio.tasks")

Report = Callable[[float], None]
Cancelled = Callable[[], bool]


def perform(task: dict[str, Any], report: Report, cancelled: Cancelled) -> Any:
    """Carry out one task; its `kind` is `look` or `render`. Raises RenderFailed or RenderCancelled."""
    if task["kind"] == "look":
        findings = look(Path(task["path"]), MediaInfo(**task["info"]))
        return {"mood": mood_for(findings), "findings": findings.as_dict()}
    media = {name: Path(path) for name, path in task["media"].items()}
    infos = {name: MediaInfo(**info) for name, info in task["infos"].items()}
    out, small = Path(task["out"]), bool(task["small"])
    exports = frozenset(task.get("exports", ()))
    render(
        task["draft"], media, out,
        infos=infos, small=small, exports=exports, progress=report, cancelled=cancelled,
    )  # fmt: skip
    return None


def serve(connection: socket.socket) -> None:
    """Take tasks from `connection` until its other end closes, then end this process."""
    tasks: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
    closed = threading.Event()
    reader = threading.Thread(target=_read_tasks, args=(connection, tasks, closed), daemon=True)
    reader.start()
    while (task := tasks.get()) is not None:
        reported_s, reported = 0.0, 0.0

        def report(percent: float) -> None:
            nonlocal reported_s, reported
            # Sound that came out too loud is encoded again; what people see does not go back.
            if percent >= reported and time.monotonic() - reported_s >= _REPORT_EVERY_S:
                reported_s, reported = time.monotonic(), percent
                _send(connection, {"progress": round(percent, 1)})

        try:
            answer = {"result": perform(task, report, closed.is_set)}
        except RenderFailed as exc:
            answer = {"failed": str(exc)}
        except RenderCancelled:
            answer = {"cancelled": True}
        except Exception:  # noqa: BLE001 - a draft from outside may be wrong in any way; the next task is another's
            _log.exception("the task %s broke", task["kind"])
            answer = {"failed": "The draft could not be rendered."}
        _send(connection, answer)


def _read_tasks(
    connection: socket.socket, tasks: queue.SimpleQueue[dict[str, Any] | None], closed: threading.Event
) -> None:
    """Hand over each line; once the studio is gone, cancel the task at work and end soon in any case."""
    with connection.makefile("rb") as lines:
        for line in lines:
            tasks.put(json.loads(line))
    closed.set()
    tasks.put(None)
    time.sleep(_END_WITHIN_S)
    os._exit(0)


def _send(connection: socket.socket, answer: dict[str, Any]) -> None:
    try:
        connection.sendall(json.dumps(answer).encode() + b"\n")
    except OSError:
        return  # the studio is gone; the reader ends this process


def _fork(connections: dict[int, socket.socket], number: int) -> int:
    """Fork the worker of one socket; answer its process id."""
    process = os.fork()
    if process == 0:
        for other, connection in connections.items():
            if other != number:
                connection.close()
        serve(connections[number])
        os._exit(0)
    return process


def main(numbers: list[int]) -> None:
    """Fork a worker for each file descriptor, and another for each that crashes, until all end in peace."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches us too; the studio decides when to end
    connections = {number: socket.socket(fileno=number) for number in numbers}
    workers = {_fork(connections, number): number for number in numbers}
    while workers:
        process, status = os.wait()
        number = workers.pop(process)
        if status != 0:
            how = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"status {status >> 8}"
            connections[number].sendall(b"\n" + json.dumps({"crashed": how}).encode() + b"\n")
            workers[_fork(connections, number)] = number


if __name__ == "__main__":
    main([int(number) for number in sys.argv[1:]])
