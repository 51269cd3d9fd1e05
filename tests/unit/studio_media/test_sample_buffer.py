"""Sound kept between two rounds of a render: the same sound, in memory and beyond it."""

from pathlib import Path

import numpy as np
import pytest

from studio.render.sound import Memory, SampleBuffer

BLOCK = 1000


def _noise(samples: int, level: float = 0.5) -> np.ndarray:
    return np.random.default_rng(5).uniform(-level, level, (samples, 2)).astype(np.float32)


@pytest.mark.parametrize("memory_bytes", [0, 2 * BLOCK * 4, 1 << 20])
def test_what_was_added_is_read_back_anywhere(tmp_path: Path, memory_bytes: int) -> None:
    sound = _noise(5 * BLOCK + 123)
    with SampleBuffer(tmp_path / "spill", Memory(memory_bytes)) as buffer:
        for at in range(0, len(sound), BLOCK):
            buffer.append(sound[at : at + BLOCK])
        for at, samples in ((0, 10), (BLOCK - 5, 10), (1700, 3100), (5 * BLOCK, 500)):
            read = buffer.read(at, samples)
            assert read.shape == sound[at : at + samples].shape
            assert np.abs(read - sound[at : at + samples]).max() < 0.5 / 32_000
        assert (tmp_path / "spill").exists() == (memory_bytes < len(sound) * 4)
    assert list(tmp_path.iterdir()) == []


def test_quiet_and_loud_blocks_keep_their_detail(tmp_path: Path) -> None:
    with SampleBuffer(tmp_path / "spill", Memory()) as buffer:
        for level in (1e-4, 3.0, 0.0):
            sound = _noise(BLOCK, level)
            buffer.append(sound)
            read = buffer.read(buffer.samples - BLOCK, BLOCK)
            assert np.abs(read - sound).max() <= level / 32_000


def test_memory_comes_back_as_blocks_are_dropped(tmp_path: Path) -> None:
    memory = Memory(3 * BLOCK * 4)
    with (
        SampleBuffer(tmp_path / "first", memory) as first,
        SampleBuffer(tmp_path / "second", memory) as second,
    ):
        for _ in range(3):
            first.append(_noise(BLOCK))
        assert memory.left_bytes == 0
        first.drop_before(2 * BLOCK)
        second.append(_noise(BLOCK))
        assert memory.left_bytes == BLOCK * 4
        assert len(first.read(2 * BLOCK, BLOCK)) == BLOCK
        assert not (tmp_path / "second").exists()
    assert memory.left_bytes == 3 * BLOCK * 4
