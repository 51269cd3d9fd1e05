"""Figures that anyone can repeat; each module is one command, bounded in count and time, on loopback only."""
