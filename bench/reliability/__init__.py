"""What is done to running processes, and what becomes of the jobs: the figures of ``docs/reliability.md``."""
