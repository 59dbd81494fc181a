"""The asv suite: speed of every commit, beside plain numpy."""
