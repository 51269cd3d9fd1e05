"""Ctrl-C and its kin, counted: once to finish what runs, twice to stop now."""

import signal
from types import FrameType

TO_FINISH, TO_STOP = 1, 2


class Interrupts:
    """Counts SIGINT and SIGTERM while entered; a closed terminal (SIGHUP) counts as the second."""

    def __init__(self) -> None:
        self.count = 0
        self._former: dict[int, object] = {}

    def __enter__(self) -> "Interrupts":
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if (
                number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN
            ):  # `nohup` stays in force
                self._former[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, former in self._former.items():
            signal.signal(number, former)  # type: ignore[arg-type] # what signal.signal itself answered

    @property
    def asked_to_finish(self) -> bool:
        """Whether to finish what runs and start nothing new."""
        return self.count >= TO_FINISH

    @property
    def asked_to_stop(self) -> bool:
        """Whether to stop now."""
        return self.count >= TO_STOP

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.count = TO_STOP if number == signal.SIGHUP else self.count + 1
