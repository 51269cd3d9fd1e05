"""What a draft asks for beyond a mood is heard and seen: keys, voices, stronger parts, places of texts."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from statistics import mean

import numpy as np
import pytest

from studio import agent
from studio.analyse import Findings
from studio.media import MediaInfo
from studio.model import Look
from studio.music.compose import MusicSpec, write
from studio.render.picture import drawn
from studio.render.plan import Clip, Plan, Source, Title, read_plan
from studio.timeline import fresh_draft
from tests.unit.studio_agent.test_phrases import CLIP, INFO, ROWS

PLAIN = MusicSpec("happy", seed=3)


def test_a_minor_key_changes_the_notes_and_keeps_the_rhythm() -> None:
    major, minor = write(PLAIN, 20.0), write(MusicSpec("happy", seed=3, changes=(("scale", "minor"),)), 20.0)
    assert [hit.start_s for hit in major.hits] == [hit.start_s for hit in minor.hits]
    assert {note.pitch % 12 for note in major.notes} != {note.pitch % 12 for note in minor.notes}


def test_an_instrument_that_was_asked_for_plays() -> None:
    score = write(MusicSpec("calm", seed=3, changes=(("lead_voice", "bells"),)), 20.0)
    assert "bells" in {note.voice for note in score.notes}


def test_a_value_that_cannot_be_played_changes_nothing() -> None:
    for changes in ((("lead_voice", "kazoo"),), (("scale", "blorp"),), (("bpm", "9"),)):
        assert write(MusicSpec("happy", seed=3, changes=changes), 8.0) == write(PLAIN, 8.0)


def test_stronger_drums_are_stronger_and_the_rest_is_the_same() -> None:
    plain, strong = write(PLAIN, 20.0), write(MusicSpec("happy", seed=3, stress=(("drums", 1.5),)), 20.0)
    assert mean(h.velocity for h in strong.hits) > 1.4 * mean(h.velocity for h in plain.hits)
    assert strong.notes == plain.notes


def test_a_text_at_the_bottom_is_drawn_below_the_middle() -> None:
    info = MediaInfo("video", "mp4", 8.0, 640, 360, 25.0, has_audio=False, has_video=True)
    clip = Clip(Source(Path("a.mp4"), info, Findings(duration_s=8.0)), 0.0, 0.0, 8.0, 1.0, "keep")
    titles = (Title("A", 0.0, 2.0), Title("B", 0.0, 2.0, "bottom"), Title("C", 0.0, 2.0, "top"))
    plan = Plan((clip,), (), (), titles, 8.0, 640, 360)
    graph = drawn(plan, [Path("a.png"), Path("b.png"), Path("c.png")]).options[1]
    overlays = [part.split(":")[1] for part in graph.split("overlay=")[1:]]
    assert overlays == ["(H-h)/2+H*0", "(H-h)/2+H*0.36", "(H-h)/2+H*-0.38"]


def test_an_instruction_is_understood_in_a_few_milliseconds() -> None:
    agent.read("add calm music")
    begun = time.process_time()
    for row in ROWS:
        agent.read(row["say"])
    assert (time.process_time() - begun) / len(ROWS) < 0.005


def test_the_tempo_told_is_the_one_that_is_heard() -> None:
    cuts_s = [2.1, 3.4, 5.9, 8.2, 9.6, 12.3, 14.8, 17.1]
    clip = replace(CLIP, look=Look("sad", {"cuts_s": cuts_s, "duration_s": 20.0}))
    draft = agent.edit("add sad music", fresh_draft([clip]), (clip,)).draft
    assert draft is not None
    (bed,) = read_plan(draft, {"med_1": clip.path}, {"med_1": INFO}).beds
    beats = bed.piece.beats(bed.length_s)
    told = draft["t"][1]["sg"][0]["m"]["bpm"]
    assert 60.0 / np.median(np.diff(beats)) == pytest.approx(told, rel=0.04)
    assert np.mean([np.abs(beats - cut).min() < 0.05 for cut in cuts_s]) >= 0.75


def test_a_tempo_that_was_asked_for_by_number_stays() -> None:
    clip = replace(CLIP, look=Look("sad", {"cuts_s": [1.3, 2.9, 4.4, 6.1], "duration_s": 20.0}))
    draft = agent.edit("add sad music at 70 bpm", fresh_draft([clip]), (clip,)).draft
    assert draft is not None and draft["t"][1]["sg"][0]["m"]["bpm"] == 70
