"""What a new process pays: the import, and the first call with and without compiled kernels on disk."""

import os
import subprocess
import sys
import tempfile

FIRST_CALL = "import fastgd; fastgd.gradient({X}, [1.0, 2.0], {theta})"


def run(code, cache):
    """Run code in a new process, with its own cache of compiled kernels."""
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "NUMBA_CACHE_DIR": cache})


class Import:
    """The import of fastgd, compared with that of numpy."""

    param_names = ["module"]
    params = [["fastgd", "numpy"]]

    def timeraw_import(self, module):
        return f"import {module}"


class FirstCall:
    """The first gradient of a process."""

    param_names = ["n_features"]
    params = [[1, 10]]
    number = 1
    timeout = 120

    def setup(self, n_features):
        self.code = FIRST_CALL.format(X=[[1.0] * n_features] * 2, theta=[1.0] * n_features)
        self.warm = tempfile.TemporaryDirectory()
        run(self.code, self.warm.name)

    def teardown(self, n_features):
        self.warm.cleanup()

    def time_cached(self, n_features):
        run(self.code, self.warm.name)

    def time_cold(self, n_features):
        with tempfile.TemporaryDirectory() as cold:
            run(self.code, cold)
