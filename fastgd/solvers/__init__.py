"""How the minimum is reached: algorithms that know theta and an objective, and never a row.

An objective returns its `Evaluation` at a point and the product of its Hessian with a vector; a solver does not know where
its rows are, or whether there are any.
"""
