"""Finds work and submits it."""

import gc

from config.logs import load_structlog

gc.set_threshold(50_000)  # loading modules makes no garbage, and looking for it takes a sixth of a start
load_structlog()  # here, before any module of the producer does
