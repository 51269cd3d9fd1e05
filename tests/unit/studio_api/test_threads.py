"""Loose threads: results and errors come back, few run at once, and nobody waits for them at the end."""

from __future__ import annotations

import asyncio
import threading

import pytest

from studio.service import LooseThreads


def test_what_a_function_answers_or_raises_comes_back():
    async def run():
        threads = LooseThreads(1)
        assert await threads.run(divmod, 7, 2) == (3, 1)
        with pytest.raises(ZeroDivisionError):
            await threads.run(divmod, 7, 0)

    asyncio.run(run())


def test_only_a_few_run_at_once():
    running, most, lock, gate = 0, 0, threading.Lock(), threading.Event()

    def work():
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
            if running == 2:
                gate.set()
        gate.wait(5)
        with lock:
            running -= 1

    async def run():
        threads = LooseThreads(2)
        await asyncio.gather(*(threads.run(work) for _ in range(6)))

    asyncio.run(run())
    assert most == 2


def test_the_loop_may_end_first():
    gate = threading.Event()

    async def run():
        task = asyncio.create_task(LooseThreads(1).run(gate.wait))
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(run())
    gate.set()
