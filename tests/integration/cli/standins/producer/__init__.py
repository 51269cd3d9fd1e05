"""A stand-in for tests of the command line."""
