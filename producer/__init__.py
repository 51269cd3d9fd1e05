"""Finds work and submits it."""
