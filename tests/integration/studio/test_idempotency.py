"""The studio's own extension: a message that comes again under the same key is charged once."""

from __future__ import annotations

import threading

import httpx
import pytest

pytestmark = pytest.mark.integration

TEXT = "add calm music"


def send(guest, text=TEXT, key="key-1"):
    body = {
        "app_name": "nemo_agent",
        "user_id": "me",
        "session_id": guest.session,
        "new_message": {"parts": [{"text": text}]},
    }
    headers = {"Accept": "text/event-stream", "X-Idempotency-Key": key}
    return guest.post("/run_sse", json=body, headers=headers)


def with_clip(running, clip):
    guest = running.guest()
    guest.open()
    guest.upload(clip)
    return guest


def test_a_charged_key_is_answered_with_the_earlier_words(guest):
    first = send(guest)
    draft = guest.state()["draft"]
    again = send(guest)
    assert again.status_code == 200
    assert "Added background music" in first.text
    assert "Added background music" in again.text
    assert guest.state()["draft"] == draft
    assert len(guest.charges()) == 1


def test_another_key_is_another_edit(guest):
    send(guest)
    send(guest, key="key-2")
    assert [charge["key"] for charge in guest.charges()] == ["key-1", "key-2"]


def test_a_key_belongs_to_its_session(guest, clip):
    send(guest)
    guest.open()
    guest.upload(clip)
    send(guest)
    assert len(guest.charges()) == 2


def test_a_key_stands_for_one_instruction(guest):
    send(guest)
    other = send(guest, "add epic music")
    assert (other.status_code, other.json()["code"]) == (409, 409)
    assert len(guest.charges()) == 1


@pytest.mark.parametrize("key", ["", "k" * 201])
def test_a_key_that_is_none_is_refused(guest, key):
    assert send(guest, key=key).status_code == 400
    assert guest.charges() == []


def test_an_edit_that_changed_nothing_may_come_again(guest):
    for _ in range(2):
        assert "cannot do this" in send(guest, "make it purple").text
    assert guest.charges() == []


def test_a_key_whose_edit_is_still_at_work_waits_for_it(start_studio, clip):
    guest = with_clip(start_studio("--think-s", "1", "--heartbeat-s", "0.2"), clip)
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(send(guest).text)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(guest.charges()) == 1
    assert len(answers) == 3
    assert all("Added background music" in answer for answer in answers)


def test_after_a_kill_the_same_key_carries_the_edit_out_once(start_studio, clip):
    running = start_studio("--think-s", "60")
    guest = with_clip(running, clip)
    thread = threading.Thread(target=lose, args=(guest,))
    thread.start()
    while not guest.balance()["frozen"]:
        pass
    running.kill()
    thread.join(30)
    guest.studio = start_studio()
    assert guest.balance()["frozen"] == 0
    for _ in range(2):
        assert "Added background music" in send(guest).text
    assert len(guest.charges()) == 1


def lose(guest):
    """Send a message whose answer never comes."""
    with pytest.raises(httpx.TransportError):
        send(guest)


def test_a_charge_names_the_files_on_the_timeline(guest, clip):
    send(guest)
    (charge,) = guest.charges()
    assert charge["files"] == [clip.name]
    assert charge["session"] == guest.session
