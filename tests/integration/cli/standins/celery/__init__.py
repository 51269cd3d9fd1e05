"""Stands for Celery in tests of the command line: `__main__` is the worker."""
