"""The observers that the settings ask for; a library is imported only when its observer is wanted."""

# ruff: noqa: PLC0415 - see above: a worker that is not watched starts without them

import structlog

from config.settings import Settings
from jobs.lease import Heartbeat
from jobs.ledger import Ledger
from worker.observe import Observer, Observers

log = structlog.get_logger()

NO_TRACING = "Tracing needs an extra: pip install 'dropscore[tracing]'. Or unset OTEL_EXPORTER_OTLP_ENDPOINT."


def open_observers(settings: Settings, ledger: Ledger, heartbeat: Heartbeat, owner: str) -> Observers:
    """Metrics, notifications and traces, as far as the settings name a port or an address for them."""
    found: list[Observer] = []
    if settings.metrics_port is not None:
        from worker.metrics import Metrics

        found.append(Metrics(ledger, heartbeat.steps, str(settings.metrics_host), settings.metrics_port))
    if settings.notify_urls:
        from worker.notify import Notifier

        found.append(Notifier(ledger, settings.notify_urls))
    if settings.otlp_endpoint is not None:
        try:
            from worker.tracing import Tracing
        except ImportError:
            # The variable belongs to no program alone and may be set for the whole host: no reason to stop.
            log.warning("not traced", reason=NO_TRACING)
        else:
            found.append(Tracing(settings.otlp_endpoint, owner))
    return Observers(*found)
