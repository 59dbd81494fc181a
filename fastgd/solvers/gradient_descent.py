"""Batch gradient descent, to the letter."""

from collections.abc import Iterator

from fastgd.solvers.quadratic import Evaluation, Objective


def gradient_descent(objective: Objective, start: Evaluation, learning_rate: float) -> Iterator[Evaluation]:
    """Take step after step ``theta := theta - learning_rate * gradient(theta)``.

    Parameters
    ----------
    objective : Objective
        The objective.
    start : Evaluation
        The objective where the descent starts.
    learning_rate : float
        The size of a step.

    Yields
    ------
    Evaluation
        The objective after each step, without end: whoever asks for the next decides when to stop.
    """
    at = start
    while True:
        at = objective.evaluate(at.theta - learning_rate * at.gradient)
        yield at
