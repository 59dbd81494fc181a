"""Batch gradient descent, to the letter."""

from collections.abc import Iterator

from fastgd.solvers.quadratic import Evaluation, Objective


def gradient_descent(objective: Objective, start: Evaluation, learning_rate: float) -> Iterator[Evaluation]:
    """Take steps ``theta := theta - learning_rate * gradient(theta)``, and yield the objective after each, without end."""
    at = start
    while True:
        at = objective.evaluate(at.theta - learning_rate * at.gradient)
        yield at
