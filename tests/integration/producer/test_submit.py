"""What the ledger remembers of sources."""

import pytest

from jobs.sources import NO_JOB, Sources

pytestmark = pytest.mark.integration


def test_a_source_that_needs_no_job_is_not_read_again(bench):
    there = str(bench.put("code.ts", b"export const answer = 42;\n"))
    bench.once()
    ((note, job_id),) = Sources(bench.ledger).seen([there])
    assert note.startswith("26:")
    assert job_id == NO_JOB
    assert bench.jobs() == []
