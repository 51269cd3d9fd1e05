"""The report as one file, and the templates it shares with a live page."""
