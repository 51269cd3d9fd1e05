"""kombu's Redis transport with two habits changed: what it does for each message is most of a message's cost.

One client a channel instead of a new one for each command, and no list of unacknowledged messages: a message
is only a hint that a job may be claimed, and the clock sends a lost one again (docs/decisions.md).
"""

from collections.abc import Callable
from typing import Any

from celery.app.amqp import AMQP
from kombu.messaging import Consumer
from kombu.transport import TRANSPORT_ALIASES, redis


class Channel(redis.Channel):
    """A channel that keeps its client for as long as it keeps its connections."""

    _kept: Any = None

    def _create_client(self, asynchronous: bool = False) -> Any:
        make: Callable[..., Any] = super()._create_client
        if asynchronous:
            return make(asynchronous=True)
        if self._kept is None or self._kept.connection_pool is not self.pool:
            self._kept = make()
        return self._kept

    def basic_ack(self, delivery_tag: str, multiple: bool = False) -> None:
        """Nothing: no message is kept until it is acknowledged."""


class Transport(redis.Transport):
    """The transport of those channels."""

    Channel = Channel


class Hints(Consumer):
    """Takes messages without a word back to the broker."""

    no_ack = True


class Messages(AMQP):  # type: ignore[misc]  # celery ships no types
    """What the Celery app sends and takes messages with."""

    Consumer = Hints


def use() -> None:
    """Let ``redis://`` and ``redis+socket://`` mean this transport, in this process."""
    TRANSPORT_ALIASES["redis"] = f"{__name__}:{Transport.__name__}"
