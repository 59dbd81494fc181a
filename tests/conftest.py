import os

from hypothesis import settings

os.environ.setdefault("MPLBACKEND", "Agg")  # pictures are drawn where there is no screen

# No deadline, because a first call may compile for a second; derandomised, because CI must fail twice or not at all.
settings.register_profile("fastgd", deadline=None, derandomize=True)
settings.load_profile("fastgd")
