"""The command line: parses, calls one function, prints."""

import gc

gc.set_threshold(50_000)  # loading modules makes no garbage, and looking for it takes a sixth of a start
