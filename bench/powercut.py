"""The power is cut right after the service took a message: is anything paid twice, or lost?

Each cut has a ledger on an ext4 image of its own (a loop device; needs root). Right after the service took
a message the Redis server and the worker are killed, and the image is copied as it is: what was handed to
the device, and no page that only the kernel held. The copy is mounted, the file of the ledger is repaired
as `dropscore run` does it, and server and worker start again. ``--fsync everysec`` shows what the start
warns about.
"""

import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from random import Random

from bench.figures import Row, machine, show
from bench.stage import Service, Stage, add_up, describe, end, find_faults, place, start_redis
from cli.embedded_redis import repair_append_only_file

COMMAND = "python -m bench.powercut"
IMAGE_MB, LATEST_S = 48, 0.3


def run_quietly(*command: object) -> None:
    """Run a program of the system. Raises CalledProcessError."""
    subprocess.run([str(word) for word in command], check=True, capture_output=True)


class Disk:
    """An ext4 image that is mounted, and can be cut off."""

    def __init__(self, folder: Path) -> None:
        self.mount, self._image, self._number = folder / "mount", folder / "disk0.img", 0
        self.mount.mkdir(parents=True)
        with self._image.open("wb") as file:
            file.truncate(IMAGE_MB * 2**20)
        run_quietly("mkfs.ext4", "-q", "-F", self._image)
        run_quietly("mount", "-o", "loop", self._image, self.mount)

    def cut(self) -> None:
        """Go back to what the device was given. Nobody may write meanwhile."""
        self._number += 1
        copy = self._image.with_name(f"disk{self._number}.img")
        shutil.copyfile(self._image, copy)
        self.close()
        self._image.unlink()
        self._image = copy
        run_quietly("mount", "-o", "loop", copy, self.mount)

    def close(self) -> None:
        """Unmount it."""
        for _ in range(100):
            with suppress(subprocess.CalledProcessError):
                run_quietly("umount", self.mount)
                return
            time.sleep(0.1)
        raise RuntimeError(f"{self.mount} stays busy")


class Ledgered(Stage):
    """A stage whose ledger is on a disk of its own."""

    def __init__(self, folder: Path, service: Service, fsync: str, files: int, **settings: object) -> None:
        super().__init__(folder, service=service, **settings)
        self._fsync, self._files, self.repaired = fsync, files, 0

    def __enter__(self) -> "Ledgered":
        self.disk = Disk(self.folder / "disk")
        self.start_server()
        self.open(self._given)
        return self

    def __exit__(self, *how: object) -> None:
        end(*self.workers, self.redis)
        self.client.close()
        self.disk.close()

    def start_server(self) -> None:
        """Start the server on the disk, its file repaired."""
        self.repaired += repair_append_only_file(self.disk.mount) is not None
        self.redis, self.redis_url = start_redis(
            self.disk.mount, fsync=self._fsync, log=self.folder / "redis.log"
        )

    def cut_power(self) -> None:
        """Kill server and workers, lose what was not handed to the device, and start the server again."""
        end(self.redis, *self.workers)
        self.disk.cut()
        self.start_server()


def cut_once(folder: Path, number: int, fsync: str, files: int) -> tuple[dict[str, int], str, float, int]:
    """Cut once; answers what is wrong, how the files ended, seconds until then, and repaired files."""
    rng = Random(number)
    (folder / "service").mkdir(parents=True)
    service = Service(folder / "service")
    try:
        with Ledgered(folder, service, fsync, files) as stage:
            ids = stage.submit(stage.make_files([f"cut{number:02d}-{one:02d}" for one in range(files)]))
            stage.start_worker()
            service.wait_for_charge(rng.randrange(files // 2))
            time.sleep(rng.uniform(0, LATEST_S))
            began = time.monotonic()
            stage.cut_power()
            stage.ledger.release_leases()  # as `dropscore run` does: nobody holds one
            stage.start_worker()
            stage.wait(stage.all_ended, 400, 0.2)
            faults = find_faults(stage, ids)
            return faults, describe(stage.count_states()), time.monotonic() - began, stage.repaired
    finally:
        service.close()


def main() -> int:
    import argparse  # noqa: PLC0415 - one bench of all takes a word

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cuts", type=int, default=50)
    parser.add_argument("--files", type=int, default=12)
    parser.add_argument("--at-once", type=int, default=3)
    parser.add_argument("--fsync", default="always", choices=["always", "everysec"])
    chosen, start = parser.parse_args(), machine()
    with place() as folder, ThreadPoolExecutor(chosen.at_once) as pool:
        seen = list(
            pool.map(
                lambda number: cut_once(folder / str(number), number, chosen.fsync, chosen.files),
                range(chosen.cuts),
            )
        )
    faults, how_they_ended = add_up([(found, states) for found, states, _, _ in seen])
    row = Row(
        f"power cut right after the service took a message, {chosen.cuts} times, {chosen.files} files each",
        "0 double charges, 0 lost",
        describe(faults),
        f"{COMMAND} --cuts {chosen.cuts} --fsync {chosen.fsync}",
        not any(faults.values()),
    )
    repaired, longest_s = sum(one[3] for one in seen), max(one[2] for one in seen)
    repairs = f"{repaired} torn files repaired; all had ended {longest_s:.0f} s after the cut at the latest."
    return show([row], start, how_they_ended, repairs)


if __name__ == "__main__":
    sys.exit(main())
