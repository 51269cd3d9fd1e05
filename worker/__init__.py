"""Does work: the Celery tasks, the six steps, the clock."""

import gc

gc.set_threshold(50_000)  # loading modules makes no garbage, and looking for it takes a sixth of a start
