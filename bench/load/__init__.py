"""Many files at once against the simulated service: the figures of ``docs/performance.md``."""
