"""The studio: a local service that speaks the NemoVideo API and really edits and renders."""

import gc

gc.set_threshold(50_000)  # loading modules makes no garbage, and looking for it takes a sixth of a start
