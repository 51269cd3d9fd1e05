"""The file systems that keep quiet about other hosts' changes (expectations, "inotify is deaf")."""

import re
from pathlib import Path

_NETWORK = (
    "nfs",
    "nfs4",
    "cifs",
    "smb2",
    "smb3",
    "smbfs",
    "afs",
    "ceph",
    "glusterfs",
    "lustre",
    "davfs",
    "9p",
)
_VIRTUAL = ("vboxsf", "vmhgfs", "drvfs", "virtiofs", "prl_fs", "grpcfuse", "osxfs")
DEAF = frozenset(_NETWORK + _VIRTUAL)
_OCTAL = re.compile(r"\\([0-7]{3})")


def is_deaf(path: str, table: Path = Path("/proc/self/mounts")) -> tuple[bool, str]:
    """Whether events are missed on the file system of a path, and its type ("" where it is not known)."""
    kind = file_system(path, table)
    return kind in DEAF or kind.startswith("fuse"), kind


def file_system(path: str, table: Path) -> str:
    """The type of the file system that holds a path, from a mount table; "" where there is no table."""
    try:
        lines = table.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return ""
    best, kind = "", ""
    real = str(Path(path).resolve())
    for line in lines:
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = _OCTAL.sub(lambda found: chr(int(found[1], 8)), fields[1])
        if len(point) >= len(best) and (real == point or real.startswith(point.rstrip("/") + "/")):
            best, kind = point, fields[2]
    return kind
