"""The observers that the settings ask for; a library is imported only when its observer is wanted."""

# ruff: noqa: PLC0415 - see above: a worker that is not watched starts without them

from config.settings import Settings
from jobs.lease import Heartbeat
from jobs.ledger import Ledger
from worker.observe import Observer, Observers


def open_observers(settings: Settings, ledger: Ledger, heartbeat: Heartbeat, owner: str) -> Observers:
    """Metrics and notifications, as far as the settings name a port or an address for them."""
    found: list[Observer] = []
    if settings.metrics_port is not None:
        from worker.metrics import Metrics

        found.append(Metrics(ledger, heartbeat.steps, str(settings.metrics_host), settings.metrics_port))
    if settings.notify_urls:
        from worker.notify import Notifier

        found.append(Notifier(ledger, settings.notify_urls))
    return Observers(*found)
