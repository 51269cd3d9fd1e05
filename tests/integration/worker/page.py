"""A worker's page of numbers, read as Prometheus reads it."""

import socket

import httpx
from prometheus_client.parser import text_string_to_metric_families


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


class Page:
    """What ``/metrics`` says, by name and labels."""

    def __init__(self, port: int) -> None:
        self.text = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text
        self._samples = {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(self.text)
            for sample in family.samples
        }

    def __call__(self, name: str, **labels: str) -> float:
        return self._samples[f"dropscore_{name}", tuple(sorted(labels.items()))]
