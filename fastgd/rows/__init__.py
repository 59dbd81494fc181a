"""Where the rows are: sums of a kernel over all rows of a training set.

Rows know the hypothesis ``theta . x`` (with the intercept first, where theta is one longer than a row) and nothing of
losses or solvers. They answer with one vector ``(sum s r^2, sum s r, sum s r x_1, ..., sum s r x_k)``.
"""
