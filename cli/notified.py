"""``doctor`` on ``DROPSCORE_NOTIFY``: whether the addresses are some, and whether they take a message.

An address holds a token: it is named by its number and its scheme.
"""

from collections.abc import Sequence

from cli.examined import Check
from worker import notify
from worker.notices import Notice

NAME = "notifications"
_TEST = Notice("Dropscore: a test", "If you read this, notifications come through.", "info")
_WIKI = "The forms are listed at https://appriseit.com/services/"


def notifications(urls: Sequence[str], *, tell: bool) -> Check:
    """Look at each address; with ``tell`` send it a test message too."""
    if not urls:
        return Check(name=NAME, state="warn", said="nobody is told", mend="Set DROPSCORE_NOTIFY, then again.")
    named = [f"{number} ({notify.scheme(url)})" for number, url in enumerate(urls, 1)]
    found = [notify.opened(url) for url in urls]
    unknown = [name for name, target in zip(named, found, strict=True) if target is None]
    if unknown:
        said = f"no address that Apprise knows: {', '.join(unknown)}"
        return Check(name=NAME, state="fail", said=said, mend=f"Correct DROPSCORE_NOTIFY. {_WIKI}")
    if not tell:
        return Check(name=NAME, state="ok", said=f"to {', '.join(named)}; --notify sends a test message")
    refused = [name for name, to in zip(named, found, strict=True) if to and not notify.send(to, _TEST)]
    if refused:
        mend = "Check the address, its token and the network."
        return Check(
            name=NAME, state="fail", said=f"no test message taken by {', '.join(refused)}", mend=mend
        )
    return Check(name=NAME, state="ok", said=f"a test message was sent to {', '.join(named)}")
