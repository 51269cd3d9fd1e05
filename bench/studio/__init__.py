"""Measurements of the studio's music; `docs/studio.md` has the figures."""
