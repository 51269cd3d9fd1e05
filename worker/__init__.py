"""Does work: the Celery tasks, the six steps, the clock."""
