"""Gradient descent on any differentiable function, and the history of any descent."""
