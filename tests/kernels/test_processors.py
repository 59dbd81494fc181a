"""Other processors, played on this one: spreads and sparse sums have the same bits wherever products and sums are fused."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import llvmlite.binding as llvm
import pytest
from processors import PROCESSORS, environment, missing

SUMS = """
import hashlib, json
import numpy as np
import scipy.sparse
from fastgd.rows.rows import rows_of
from fastgd.sparse import read

rng = np.random.default_rng(0)
bits = {}
for k in (1, 3, 7, 24, 40):
    for layout in ("rows", "columns", "float32", "sparse"):
        for weighted in (False, True):
            X = rng.standard_normal((1003, k))
            X[rng.random(X.shape) < 0.3] = 0.0
            y, s = rng.standard_normal(1003), rng.random(1003) if weighted else None
            given = {"columns": np.asfortranarray(X), "float32": X.astype(np.float32)}.get(layout, X)
            rows = rows_of(read(scipy.sparse.csr_array(X)) if layout == "sparse" else given, y, s, 1)
            sums = [*rows.spread(rng.standard_normal(k + 1))]
            if layout == "sparse":
                sums += [rows.gradient(rng.standard_normal(k + 1)), rows.product(rng.standard_normal(k))]
                sums += [rows.moments(np.zeros(k + 1))]
            for i, each in enumerate(sums):
                bits[f"{k} {layout} {weighted} {i}"] = hashlib.sha256(np.asarray(each).tobytes()).hexdigest()[:12]
print(json.dumps(bits))
"""


# Which registers numba's code has, and which of numpy's loops are in use.
MACHINE = """
import json
import numba
from numpy._core._multiarray_umath import __cpu_features__

@numba.njit(fastmath=True)
def total(x):
    result = 0.0
    for value in x:
        result += value
    return result

total.compile("f8(f8[::1])")
(code,) = total.inspect_asm().values()
print(json.dumps([[name for name in ("ymm", "zmm") if name in code], __cpu_features__["X86_V3"]]))
"""


def played(folder, script=SUMS, **environment):
    root = str(Path(__file__).parents[2])
    environment = os.environ | environment | {"NUMBA_CACHE_DIR": str(folder), "PYTHONPATH": root}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.processes
@pytest.mark.parametrize(("name", "expected"), [("haswell", [["ymm"], True]), ("nehalem", [[], False])])
def test_the_processors_that_are_played_do_no_more_than_the_true_ones(name, expected, tmp_path):
    assert {"haswell", "nehalem"} == PROCESSORS.keys()
    if missing(name) or os.environ.get("NUMBA_CPU_NAME", name) != name:
        pytest.skip(f"this processor cannot play a {name}, or plays another")
    assert played(tmp_path, MACHINE, **environment(name)) == expected


@pytest.mark.processes
@pytest.mark.slow
@pytest.mark.skipif(
    not llvm.get_host_cpu_features().get("fma"), reason="this processor does not fuse products and sums"
)
def test_spreads_and_sparse_sums_have_the_same_bits_on_every_processor_that_fuses(tmp_path):
    here = played(tmp_path / "here")
    assert len(here) == 5 * 2 * (3 * 3 + 6)
    for name, features in (("haswell", ""), ("haswell", "+prefer-128-bit"), ("znver2", "")):
        folder = tmp_path / hashlib.sha256(f"{name}{features}".encode()).hexdigest()
        there = played(folder, NUMBA_CPU_NAME=name, NUMBA_CPU_FEATURES=features)
        assert [what for what in here if here[what] != there[what]] == []
