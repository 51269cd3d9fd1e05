"""Music that was chosen by ear: for one file, for its folder, and where a person has to be asked."""

import tomllib
from pathlib import Path

import pytest

from cli.choose import NeedsConsent, choose_for_file, choose_for_folder
from cli.errors import Unusable
from config.settings import Settings
from jobs.model import JobSpec, State, Step
from tests.unit.cli.test_deliveries import deliver, place  # noqa: F401 - a fixture

CALM = "add calm background music"


@pytest.fixture
def settings(place):  # noqa: F811 - the fixture that is imported
    return Settings(DROPSCORE_STATE_DIR=place.state, DROPSCORE_SETTLE=0)


@pytest.fixture
def done(fake_ledger, place, clip):  # noqa: F811
    """Deliver files whose sources are real, and different."""

    def make(name, folder="", **more):
        for root in (place.inbox, place.outbox):
            Path(root, folder).mkdir(exist_ok=True)
        job = deliver(fake_ledger, place, f"{folder}/{name}".lstrip("/"), **more)
        box = (8 + len(name)).to_bytes(4, "big") + b"free" + name.encode()  # players skip it
        Path(job.spec.source).write_bytes(clip.read_bytes() + box)
        return job

    return make


def asked_in(path):
    return tomllib.loads(Path(path).read_text(encoding="utf-8"))["instructions"]


def versions_asked(ledger, instruction):
    return [job for job in ledger.all_in(State.QUEUED) if job.spec.instructions == (instruction,)]


def test_what_is_done_is_edited_anew_once(fake_ledger, place, settings, done):  # noqa: F811
    job = done("a")
    chosen = choose_for_file(fake_ledger, job, settings, CALM, may_pay=False)
    assert (chosen.redone, chosen.written) == (1, "")
    (new,) = versions_asked(fake_ledger, CALM)
    assert new.spec.output == f"{place.outbox}/a.v2.mp4"
    again = choose_for_file(fake_ledger, job, settings, CALM, may_pay=False)
    assert [*again.lines()] == ["nothing to do: it was asked for already"]
    assert len(versions_asked(fake_ledger, CALM)) == 1


def test_what_has_not_begun_gets_a_sidecar_and_a_persons_own_is_never_replaced(
    fake_ledger,
    place,  # noqa: F811
    settings,
):
    source = Path(place.inbox, "b.mp4")
    fake_ledger.submit("b", JobSpec(source=str(source), root=place.inbox), [f"{place.outbox}/b.mp4"])
    job = fake_ledger.get("b")
    chosen = choose_for_file(fake_ledger, job, settings, CALM, may_pay=False)
    assert asked_in(chosen.written) == [CALM]
    assert chosen.written == f"{source}.toml"
    epic = choose_for_file(fake_ledger, job, settings, 'add "epic" music', may_pay=False)  # ours: replaced
    assert asked_in(epic.written) == ['add "epic" music']
    Path(f"{source}.toml").write_text('instructions = ["mine"]')
    with pytest.raises(Unusable, match=r"b\.mp4\.toml is there already"):
        choose_for_file(fake_ledger, job, settings, CALM, may_pay=False)
    Path(f"{source}.txt").write_text("mine")
    with pytest.raises(Unusable, match=r"b\.mp4\.txt says"):
        choose_for_file(fake_ledger, job, settings, CALM, may_pay=False)
    assert asked_in(f"{source}.toml") == ["mine"]


def test_an_edit_that_has_begun_is_left_alone(fake_ledger, place, settings):  # noqa: F811
    source = f"{place.inbox}/c.mp4"
    fake_ledger.submit("c", JobSpec(source=source, root=place.inbox), [f"{place.outbox}/c.mp4"])
    fake_ledger.fetch_due(1, 30)
    assert fake_ledger.claim("c", Step.UPLOAD, "w", 30)
    with pytest.raises(Unusable, match="choose again once it is done"):
        choose_for_file(fake_ledger, fake_ledger.get("c"), settings, CALM, may_pay=False)


def test_a_folder_is_done_anew_but_for_files_with_words_of_their_own(fake_ledger, place, settings, done):  # noqa: F811
    first, own, other = done("a"), done("b"), done("c", "deep")
    Path(f"{own.spec.source}.txt").write_text("something else")
    chosen = choose_for_folder(fake_ledger, first, settings, CALM, may_pay=False)
    assert (chosen.redone, chosen.own, asked_in(chosen.written)) == (2, 1, [CALM])
    assert chosen.written == f"{place.inbox}/_dropscore.toml"
    sources = {job.spec.source for job in versions_asked(fake_ledger, CALM)}
    assert sources == {first.spec.source, other.spec.source}


def test_a_folder_with_rules_of_a_person_is_left_alone(fake_ledger, place, settings, done):  # noqa: F811
    job = done("a")
    Path(place.inbox, "_dropscore.toml").write_text("instructions = ['mine']")
    with pytest.raises(Unusable, match=r"_dropscore\.toml is there already"):
        choose_for_folder(fake_ledger, job, settings, CALM, may_pay=False)
    assert versions_asked(fake_ledger, CALM) == []


def test_the_cloud_is_not_paid_before_somebody_says_yes(fake_ledger, place, settings, done):  # noqa: F811
    job, cloud = done("a", backend="cloud"), settings.model_copy(update={"chosen_backend": "cloud"})
    for choose in (choose_for_file, choose_for_folder):
        with pytest.raises(NeedsConsent, match="1 file edited anew at NemoVideo, about 50 credits"):
            choose(fake_ledger, job, cloud, CALM, may_pay=False)
    assert not Path(place.inbox, "_dropscore.toml").exists()
    assert choose_for_file(fake_ledger, job, cloud, CALM, may_pay=True).redone == 1


def test_a_version_that_stepped_aside_is_edited_anew_where_outputs_are(fake_ledger, place, settings, done):  # noqa: F811
    job = done("a", "other versions")
    choose_for_file(fake_ledger, job, settings, CALM, may_pay=False)
    (new,) = versions_asked(fake_ledger, CALM)
    assert Path(new.spec.output).parent == Path(place.outbox)
