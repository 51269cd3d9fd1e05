"""The studio: a local service that speaks the NemoVideo API and really edits and renders."""
