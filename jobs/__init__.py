"""The job and its ledger: the only room that speaks Redis."""
