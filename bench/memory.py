"""Memory of processes: each page counted once, however many share it (PSS), with all their children."""

import threading
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

EVERY_S = 0.5


def tree(pid: int) -> list[int]:
    """A process and all that descend from it, as far as they live."""
    children: dict[int, list[int]] = defaultdict(list)
    for child, parent in _parents():
        children[parent].append(child)
    found, waiting = [], [pid]
    while waiting:
        found.append(waiting.pop())
        waiting += children[found[-1]]
    return found


def shared_mb(pid: int) -> float:
    """A process's share of the memory it uses (PSS); 0 when it is gone."""
    return _rollup(pid).get("Pss", 0) / 1024


def own_mb(pid: int) -> float:
    """What ends with this process alone (USS); 0 when it is gone."""
    known = _rollup(pid)
    return (known.get("Private_Clean", 0) + known.get("Private_Dirty", 0)) / 1024


def resident_mb(pid: int) -> float:
    """Resident memory now (RSS); 0 when it is gone."""
    return _status_kb(pid, "VmRSS") / 1024


def most_resident_mb(pid: int) -> float:
    """The most resident memory so far; 0 when it is gone."""
    return _status_kb(pid, "VmHWM") / 1024


class Watch:
    """Looks at a process tree twice a second while `with` lasts; `peak_mb` is the most it shared."""

    def __init__(self, pid: int) -> None:
        self.peak_mb = 0.0
        self.children_mb = 0.0  # the most that all children had of their own, together
        self._pid = pid
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="memory", daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self.look()

    def look(self) -> None:
        """Look once."""
        pids = tree(self._pid)
        self.peak_mb = max(self.peak_mb, sum(map(shared_mb, pids)))
        self.children_mb = max(self.children_mb, sum(map(own_mb, pids[1:])))

    def _run(self) -> None:
        while not self._stop.wait(EVERY_S):
            self.look()


def _parents() -> Iterator[tuple[int, int]]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                text = (folder / "stat").read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
            yield int(folder.name), int(text.rpartition(")")[2].split()[1])


def _rollup(pid: int) -> dict[str, int]:
    return _table(Path(f"/proc/{pid}/smaps_rollup"))


def _status_kb(pid: int, name: str) -> int:
    return _table(Path(f"/proc/{pid}/status")).get(name, 0)


def _table(path: Path) -> dict[str, int]:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    words = [line.split() for line in lines]
    return {word[0][:-1]: int(word[1]) for word in words if len(word) == 3 and word[2] == "kB"}
