"""The Celery app and the settings that survived (reliability, "Settings that survived")."""

from celery import Celery
from kombu.entity import Exchange, Queue

from config import broker
from config.settings import Settings

BEGUN, NEW, BACKLOG = LANES = "dropscore", "dropscore.new", "dropscore.backlog"
"""The queues, the first goes first: what has begun; files dropped by hand; what waits of a backlog."""

KEY_PREFIX = "dropscore:broker:"
TASKS = "dropscore."
"""Task names are ``dropscore.upload`` … ``dropscore.download``: Flower shows progress by itself."""


def make_app(redis_url: str, settings: Settings) -> Celery:
    """A Celery app on that broker; it holds no result and hands out one message at a time."""
    broker.use()
    app = Celery("dropscore", broker=broker_url(redis_url), amqp=broker.Messages, set_as_current=False)
    app.conf.update(
        worker_pool="threads",
        worker_concurrency=settings.concurrency,
        task_acks_late=False,  # the lease and the clock own recovery
        worker_disable_prefetch=True,
        worker_prefetch_multiplier=1,
        task_ignore_result=True,  # the ledger is the state
        task_serializer="json",
        accept_content=["json"],
        task_queues=[Queue(name, Exchange(name), routing_key=name) for name in LANES],
        task_default_queue=BEGUN,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_send_task_events=True,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        broker_transport_options={
            "visibility_timeout": 7200,
            "socket_timeout": 5,
            "socket_connect_timeout": 5,
            "socket_keepalive": True,
            "health_check_interval": 10,
            "global_keyprefix": KEY_PREFIX,
            "queue_order_strategy": "priority",  # the order of LANES
        },
    )
    return app


def broker_url(redis_url: str) -> str:
    """The URL as kombu spells it: ``unix:///path`` is ``redis+socket:///path`` there."""
    return redis_url.replace("unix://", "redis+socket://", 1)


def queue_keys() -> list[str]:
    """The Redis keys of the queues, in the order of `LANES`."""
    return [KEY_PREFIX + name for name in LANES]
