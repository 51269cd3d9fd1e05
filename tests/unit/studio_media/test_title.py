from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from studio.render.picture import draw_title


def _alpha(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)[:, :, 3]


@pytest.mark.parametrize("text", ["Urban Dreams", "a", "城市之梦", "two\nlines", "ümlaut & <tag> %{n}"])
@pytest.mark.parametrize("size", [(640, 360), (1080, 1920), (64, 36)])
def test_a_title_is_drawn_inside_the_picture(tmp_path: Path, text: str, size: tuple[int, int]) -> None:
    draw_title(text, *size, tmp_path / "title.png")
    alpha = _alpha(tmp_path / "title.png")
    assert alpha.shape == size[::-1]
    rows, columns = np.nonzero(alpha)
    assert len(rows)
    assert abs(rows.mean() - size[1] / 2) < size[1] * 0.15
    assert abs(columns.mean() - size[0] / 2) < size[0] * 0.15


def test_a_long_title_is_wrapped_and_made_smaller(tmp_path: Path) -> None:
    draw_title(
        "a rather long title that will never fit into one single row of text", 640, 360, tmp_path / "t.png"
    )
    alpha = _alpha(tmp_path / "t.png")
    assert not alpha[:, :16].any()
    assert not alpha[:, -16:].any()
    assert not alpha[:10].any()
    assert not alpha[-10:].any()


def test_no_text_draws_nothing(tmp_path: Path) -> None:
    draw_title("", 320, 180, tmp_path / "t.png")
    assert not _alpha(tmp_path / "t.png").any()
