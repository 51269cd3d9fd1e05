"""Programs of this machine that long tests are made with."""

import shutil
import subprocess
from typing import Any


def say(*command: str, within_s: float = 120, **more: Any) -> str:
    """Run a command; answers its standard output, and shows its last words when it fails."""
    ended = subprocess.run(command, capture_output=True, text=True, timeout=within_s, check=False, **more)
    assert ended.returncode == 0, f"{command}: {ended.stdout[-2000:]}{ended.stderr[-2000:]}"
    return ended.stdout


def works(*command: str) -> bool:
    """Whether there is such a program, and it ends well."""
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0
