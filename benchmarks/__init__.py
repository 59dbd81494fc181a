"""The asv suite: the speed of every commit, compared with plain numpy."""
