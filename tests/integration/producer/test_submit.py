"""First messages: sent while there is room, and no error when they cannot be."""

import pytest
from celery.exceptions import OperationalError

from config.celery_app import make_app, queue_keys
from jobs.intake import NO_JOB
from producer.submit import MAX_WAITING, Messages

pytestmark = pytest.mark.integration


@pytest.fixture
def app(bench):
    return make_app(bench.settings.redis_url.get_secret_value(), bench.settings)


def test_a_message_names_the_step_and_carries_the_id_and_nothing_else(bench, app):
    Messages(bench.ledger, app).send("0123456789abcdef", "dropscore")
    with app.connection_for_read() as connection, connection.SimpleQueue("dropscore") as queue:
        message = queue.get(timeout=2)
        assert message.headers["task"] == "dropscore.upload"
        assert message.payload[0] == ["0123456789abcdef"]
        message.ack()


def test_nothing_is_sent_while_the_broker_holds_enough(bench, app):
    bench.client.rpush(queue_keys()[1], *(["x"] * MAX_WAITING))
    messages = Messages(bench.ledger, app)
    messages.send("a", "dropscore")
    assert bench.messages() == MAX_WAITING


class _Broken:
    def send_task(self, name, *, args, **options):
        raise OperationalError("gone")


def test_a_message_that_cannot_be_sent_is_left_to_the_clock(bench):
    Messages(bench.ledger, _Broken()).send("a", "dropscore")


def test_a_source_that_needs_no_job_is_not_read_again(bench):
    there = str(bench.put("code.ts", b"export const answer = 42;\n"))
    bench.once()
    ((note, job_id),) = bench.ledger.seen([there])
    assert note.startswith("26:")
    assert job_id == NO_JOB
    assert bench.jobs() == []
