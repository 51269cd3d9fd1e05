"""The list of files: versions beside each other, filters, words, causes, and what changed."""

from jobs.control import cancel, retry
from jobs.ledger import Ledger, StepResult
from jobs.model import JobSpec, Problem, State, Step
from tests.conftest import Wall
from web.catalog import Catalog, View


def submit(
    ledger: Ledger, job_id: str, source: str, problem: Problem | None = None, output: str = ""
) -> None:
    spec = JobSpec(source=source, instructions=(job_id,), fingerprint="f", created=ledger.now())
    ledger.submit(job_id, spec, [output] if output else [], problem=problem)


def deliver(ledger: Ledger, job_id: str) -> None:
    ledger.fetch_due(10, 30)
    job = ledger.claim(job_id, Step.UPLOAD, "w", 30)
    assert job is not None
    assert ledger.commit(job, StepResult(State.DONE, Step.DOWNLOAD), {}, ())


def test_versions_keep_their_order_whenever_they_end(ledger: Ledger, wall: Wall) -> None:
    submit(ledger, "one", "/in/clip.mp4", output="/out/clip.mp4")
    submit(ledger, "two", "/in/clip.mp4", output="/out/clip.v2.mp4")
    for job_id in ("two", "one"):
        wall.go(10)
        deliver(ledger, job_id)
    catalog = Catalog(ledger)
    (row,) = catalog.refresh()
    assert (row.job, row.versions) == ("two", 2)


def test_versions_of_a_source_are_one_file_and_the_newest_speaks(ledger: Ledger, wall: Wall) -> None:
    submit(ledger, "one", "/in/a/clip.mp4")
    wall.go(1)
    submit(ledger, "two", "/in/a/clip.mp4")
    wall.go(1)
    submit(ledger, "other", "/in/b.mp4")
    catalog = Catalog(ledger, ["/in"])
    assert {row.name for row in catalog.refresh()} == {"clip.mp4", "b.mp4"}
    listing = catalog.list_files(View.ALL, "", 0, 10)
    assert [(row.folder, row.name, row.job, row.versions) for row in listing.rows] == [
        ("", "b.mp4", "other", 1),
        ("a", "clip.mp4", "two", 2),
    ]
    cancel(ledger, "two")
    retry(ledger, "two")
    cancel(ledger, "one")
    (row,) = catalog.refresh()
    assert (row.job, row.state) == ("two", State.QUEUED)  # a first one that changes is not the newest
    assert catalog.refresh() == []


def test_what_needs_a_person_is_grouped_by_its_reason(ledger: Ledger) -> None:
    full = Problem(code="too_large", message="/in/0.mp4: too large", advice="Cut it.")
    for number in range(5):
        submit(ledger, f"bad{number}", f"/in/{number}.mp4", full)
    submit(ledger, "odd", "/in/odd.txt", Problem(code="unsupported_file", message="m", advice="a"))
    catalog = Catalog(ledger, ["/in"])
    catalog.refresh()
    first, second = catalog.causes(most_names=3)
    assert (first.code, first.count, len(first.files)) == ("too_large", 5, 3)
    assert second.files[0][1] == "odd.txt"
    assert len(catalog.ids_of_cause("too_large", State.FAILED)) == 5
    counts = catalog.counts()
    assert (counts[View.ALL], counts[View.NEEDS_YOU], counts[View.DONE]) == (6, 6, 0)


def test_a_stretch_of_what_matches(ledger: Ledger) -> None:
    for number in range(30):
        submit(ledger, f"j{number:02}", f"/in/Holiday {number:02}.mp4")
    catalog = Catalog(ledger, ["/in"])
    catalog.refresh()
    assert catalog.list_files(View.ALL, "", 10, 5).total == 30
    assert len(catalog.list_files(View.ALL, "", 10, 5).rows) == 5
    assert [row.job for row in catalog.list_files(View.WAITING, "mp4 HOLIDAY 07", 0, 9).rows] == ["j07"]
    assert catalog.list_files(View.DONE, "", 0, 9).total == 0


def test_what_the_ledger_forgot_leaves_the_list(ledger: Ledger, wall: Wall) -> None:
    submit(ledger, "old", "/in/old.mp4")
    cancel(ledger, "old")
    submit(ledger, "new", "/in/new.mp4")
    catalog = Catalog(ledger)
    catalog.refresh()
    wall.go(100)
    ledger.forget(50, [State.CANCELLED], lambda _: False)
    catalog.forget_missing(1)
    catalog.refresh()
    assert [row.job for row in catalog.list_files(View.ALL, "", 0, 9).rows] == ["new"]
