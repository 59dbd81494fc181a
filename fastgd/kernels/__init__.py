"""What one block of rows adds: compiled functions and nothing else.

Every kernel has the calling convention that `fastgd.kernels.jit` states, reads each row once, and writes
nothing but its ``sums``.
"""
