"""Logs: readable on a terminal, JSON with ``--log-json``; a secret is masked wherever it stands."""

import logging
import re
import sys
import time
from collections.abc import Callable, MutableMapping
from importlib import import_module
from typing import Any

REPEATED_EACH_S = 60.0
_REPEATING = ("celery", "kombu", "redis")

# The same rules as `nemovideo.errors.mask`, which imports nothing of ours; a test holds the two together.
_SECRET = re.compile(
    r"\b(nmv_|clm_)[A-Za-z0-9_.~+/=%-]+|(?i:\b(bearer\s+)[^\s'\",]+)|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"
)
_MIN_SECRET_CHARS = 6
_registered: set[str] = set()


def register_secret(secret: str) -> None:
    """Mask ``secret`` wherever it stands, whatever its form (a token of one's own, a bucket's key)."""
    if len(secret) >= _MIN_SECRET_CHARS and not _SECRET.fullmatch(secret):
        _registered.add(secret)


def masked(text: str) -> str:
    """The text with every token, bearer, password in a URL and registered secret replaced by ``***``."""
    for secret in sorted(_registered, key=len, reverse=True):
        text = text.replace(secret, "***")
    return _SECRET.sub(lambda found: f"{found[1] or found[2] or ''}***", text)


def configure(level: str, as_json: bool) -> None:
    """Send all logs, those of libraries too, to standard error in one form."""
    structlog = load_structlog()
    repeats = RepeatFilter()
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        repeats,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _mask,
    ]
    render = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _mask, render],
        )
    )
    handler.addFilter(repeats)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for chatty in ("httpx", "httpcore", "watchdog", "kombu", "celery", "amqp", "asyncio"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(root.level),
        cache_logger_on_first_use=False,
    )


class RepeatFilter:
    """Drops a line that was logged already within the last ``at_most_each_s`` seconds."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Nothing was logged yet."""
        self._monotonic = monotonic
        self._last: dict[str, float] = {}

    def __call__(
        self, _logger: Any, _method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        """A structlog processor: drops events that carry ``at_most_each_s`` and come too soon."""
        each_s = event.pop("at_most_each_s", None)
        if each_s is not None and not self.is_due(str(event.get("event")), each_s):
            raise load_structlog().DropEvent
        return event

    def filter(self, record: logging.LogRecord) -> bool:
        """A filter of the standard library: what Celery says of a broker that is away, once a minute."""
        if not record.name.startswith(_REPEATING) or record.levelno < logging.WARNING:
            return True
        return self.is_due(f"{record.name} {str(record.msg)[:80]}", REPEATED_EACH_S)

    def is_due(self, key: str, each_s: float) -> bool:
        """Tell whether this may be logged now."""
        now = self._monotonic()
        if now - self._last.get(key, float("-inf")) < each_s:
            return False
        self._last[key] = now
        return True


def load_structlog() -> Any:
    """Load structlog on first use, and return it: commands that log nothing are spared the time.

    Rich is hidden from it meanwhile: it would load half of it to draw tracebacks, and ours are plain text.
    """
    if "structlog" in sys.modules:
        return sys.modules["structlog"]
    kept = {name: module for name, module in sys.modules.items() if name == "rich"}
    sys.modules["rich"] = None  # type: ignore[assignment] # "there is no such module"
    try:
        return import_module("structlog")
    finally:
        del sys.modules["rich"]
        sys.modules.update(kept)


def _mask(_logger: Any, _method: str, event: Any) -> Any:
    return {key: masked(value) if isinstance(value, str) else value for key, value in event.items()}
