"""Real processes, and what is done to them."""
