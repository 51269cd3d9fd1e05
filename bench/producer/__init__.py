"""What the producer is measured by: `python -m bench.producer.scale`, `.latency`, `.kills`, `.slow`."""
