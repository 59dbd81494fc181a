"""How the minimum is reached: algorithms that know theta and an objective, and never a row.

An objective answers with `Evaluation` at a point and with the product of its Hessian with a vector; where its rows are, or
whether there are any, a solver does not know.
"""
