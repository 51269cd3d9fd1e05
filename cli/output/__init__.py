"""What a run shows: `live` on a terminal, `plain` in a pipe, and `summary` at its end."""
