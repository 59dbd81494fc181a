"""Nothing leaks: many calls, half of which fail, leave the process as large as it was."""

import os
import subprocess
import sys

import pytest

# In a process of its own, as other tests' garbage would be counted. Each call is made by turns; those of the second table fail,
# each at another place.
CODE = '''
import ctypes, gc, itertools, mmap, sys, threading, time, warnings
import numpy as np
from numba.core.runtime import rtsys
import fastgd
from block_sizes import set_block_values
import pytest

n_calls = int(sys.argv[1])
rng = np.random.default_rng(0)
X, y, theta = rng.standard_normal((64, 3)), rng.standard_normal(64), np.ones(3)
wide, weights = rng.standard_normal((12, 200)), rng.uniform(size=64)
columns, strided, single = np.asfortranarray(X), np.repeat(X, 2, axis=1)[:, ::2], X.astype("f4")
hole, out = np.where(np.arange(64) == 63, np.nan, y), np.empty(3)
moments = fastgd.Moments.from_rows(X, y)

def stream(last):
    yield X, y
    yield X[:, :last], y

def late(state):
    raise ZeroDivisionError

right = [
    lambda: fastgd.gradient(X, y, theta),
    lambda: fastgd.gradient(X, y, theta, n_threads=3, out=out),
    lambda: fastgd.cost_and_gradient(columns, y, theta, sample_weight=weights, n_threads=2),
    lambda: fastgd.cost(strided, y, theta, n_threads=3),
    lambda: fastgd.gradient(single, y, theta),
    lambda: fastgd.gradient(wide, y[:12], np.ones(200)),
    lambda: moments.gradient(theta),
    lambda: fastgd.Moments.from_rows(X[:9], y[:9]) + moments,
    lambda: fastgd.fit(X, y),
    lambda: fastgd.fit(X, y, method="gd", max_iter=3, tol=0, learning_rate=0.1, history=True),
    lambda: fastgd.cost(fastgd.from_batches([(X, y), (X, y)]), None, theta),
]
wrong = [
    lambda: fastgd.gradient(X, y[:-1], theta),
    lambda: fastgd.gradient(X, y, theta, out=np.empty(2)),
    lambda: fastgd.gradient(X, y, theta, n_threads=0),
    lambda: fastgd.cost(X, y, theta, sample_weight=-weights),
    lambda: fastgd.cost("text", y, theta),
    lambda: fastgd.gradient(wide.astype(complex), y[:12], np.ones(200)),
    lambda: fastgd.fit(X, hole),
    lambda: fastgd.fit(X, y, method="none"),
    lambda: fastgd.fit(X, y, method="gd", learning_rate=0.1, callback=late),
    lambda: fastgd.cost(fastgd.from_batches(stream(2)), None, theta),
    lambda: fastgd.cost(fastgd.from_batches(stream(0)), None, theta),
]

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * mmap.PAGESIZE

def allocations():
    """Count what compiled code has taken and given back; a worker, until it sleeps, has the view of its mailbox."""
    end = time.monotonic() + 10
    while (found := rtsys.get_allocation_stats()).alloc != found.free and time.monotonic() < end:
        time.sleep(0.01)
    return found

def run(n):
    for succeeds, fails in itertools.islice(itertools.cycle(zip(right, wrong, strict=True)), n // 2):
        succeeds()
        try:
            fails()
        except (ValueError, TypeError, ZeroDivisionError):
            continue
        raise AssertionError(fails)

# Or Linux, whenever it likes, makes one page of 2 MB of many, most of which have never been touched.
ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)
warnings.simplefilter("ignore", fastgd.ConvergenceWarning)
warnings.simplefilter("ignore", fastgd.RankWarning)
with pytest.MonkeyPatch.context() as patch:
    set_block_values(patch, 16)  # so that threads share small passes
    run(n_calls // 5)
    gc.collect()
    n_threads, n_objects = threading.active_count(), len(gc.get_objects())
    before, stats = resident(), allocations()
    run(n_calls)
    gc.collect()
    after = allocations()
assert threading.active_count() == n_threads
assert after.alloc - stats.alloc == after.free - stats.free, (stats, after)
assert after.mi_alloc - stats.mi_alloc == after.mi_free - stats.mi_free, (stats, after)
assert len(gc.get_objects()) - n_objects < 100, len(gc.get_objects()) - n_objects
print(after.alloc - stats.alloc, resident() - before)
'''


@pytest.mark.processes
@pytest.mark.skipif(sys.platform != "linux", reason="reads the resident memory from /proc")
@pytest.mark.parametrize("n_calls", [10_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_calls_half_of_which_fail_leave_nothing(n_calls, reached):
    code = f"import sys; sys.path[:] = {sys.path!r}" + CODE
    environment = {**os.environ, "NUMBA_NRT_STATS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code, str(n_calls)], capture_output=True, text=True, timeout=300, env=environment
    )
    assert (done.returncode, done.stderr) == (0, "")
    n_allocations, growth = map(int, done.stdout.split())
    assert n_allocations > n_calls // 20  # the compiled code's own, all of them freed
    assert growth < 1 << 20
    reached("calls, half of which fail, after which memory is as before", n_calls)
    reached("bytes that the process grew by in these calls", growth)
