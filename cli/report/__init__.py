"""``dropscore report``: one page, one table and one list for all results of an outbox.

It reads the result files alone, so that it works without the ledger, on another machine, years later.
"""

from cli.report.write import Order, Written, write

__all__ = ["Order", "Written", "write"]
