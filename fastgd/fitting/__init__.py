"""Fits: a problem, a strategy, the loop of its iterations, and a result."""
