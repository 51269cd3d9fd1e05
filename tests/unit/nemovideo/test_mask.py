"""Secrets of every form are masked, by the client and by the logs alike."""

import pytest

from config import logs
from nemovideo import errors

CASES = [
    ("token nmv_usr_Ab12_x!", "token nmv_***!"),
    ("nmv_usr_ab-cd.ef, and on", "nmv_***, and on"),
    ("https://x/?t=nmv_usr_1&b=2", "https://x/?t=nmv_***&b=2"),
    ("?ct=clm_a%2Bb-c.d~e/f=&x=1", "?ct=clm_***&x=1"),
    ("Authorization: Bearer abc.def-123, ok", "Authorization: Bearer ***, ok"),
    ("{'authorization': 'bearer xyz'}", "{'authorization': 'bearer ***'}"),
    ("BEARER  xyz", "BEARER  ***"),
    ("https://me:pa$$@host/x and http://a/b@c:d", "https://***@host/x and http://a/b@c:d"),
    ("redis://:pass@host:6379/0", "redis://***@host:6379/0"),
    ("nothing secret: clmx, nmvx, bearers", "nothing secret: clmx, nmvx, bearers"),
]


@pytest.mark.parametrize(("text", "shown"), CASES)
def test_both_masks_hide_the_same(text: str, shown: str) -> None:
    assert errors.mask(text) == shown
    assert logs.masked(text) == shown


@pytest.mark.parametrize(
    ("register", "mask"), [(errors.register_secret, errors.mask), (logs.register_secret, logs.masked)]
)
def test_a_registered_secret_of_any_form_is_masked(register, mask) -> None:  # type: ignore[no-untyped-def]
    register("T0ken of its/own=form")
    assert mask("a T0ken of its/own=form b") == "a *** b"
    register("short")
    assert mask("too short to be one") == "too short to be one"
