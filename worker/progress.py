"""A long edit is not a silent one: "still working" is said every two minutes (api-contract 3, rule 2)."""

from collections.abc import Callable

REPORT_S = 120.0


def still_working(
    now: Callable[[], float], say: Callable[[float], None], every_s: float = REPORT_S
) -> Callable[[object], None]:
    """What hears a stream's events; ``say`` gets the seconds since now, at most once in ``every_s``.

    Heartbeats count too: they are what a long edit consists of. A stream without any event says nothing.
    """
    began = told = now()

    def hear(_event: object) -> None:
        nonlocal told
        if now() - told >= every_s:
            told = now()
            say(told - began)

    return hear
