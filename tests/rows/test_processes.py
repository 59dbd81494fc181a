"""Processes that fork, spawn, end, or call from many threads: no call aborts, hangs, or takes a child with it."""

import multiprocessing
import os
import subprocess
import sys
import textwrap

import pytest

from fastgd.rows import parallel

pytestmark = pytest.mark.processes

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

# Calls that hand compiled work to threads, that hand Python work to them (X without a layout that kernels read), that use BLAS,
# and that read streams; each returns the bits of its result.
CALLS = """
import os, signal, sys, threading, time, warnings
import numpy as np
import fastgd
from fastgd.kernels import jit

warnings.simplefilter("ignore", DeprecationWarning)  # of fork beside threads, which is what is tried here
rng = np.random.default_rng(0)
X, y, theta = rng.standard_normal((500_000, 4)), rng.standard_normal(500_000), np.arange(4.0)
wide = rng.standard_normal((500_000, 8))[:, ::2]

CALLS = [
    lambda: fastgd.gradient(X, y, theta, n_threads=3),
    lambda: fastgd.gradient(wide, y, theta, n_threads=3),
    lambda: fastgd.fit(X, y, n_threads=3).theta,
    lambda: fastgd.fit(fastgd.from_batches([(X[:9], y[:9]), (X[9:], y[9:])]), n_threads=3).theta,
]

def results():
    return [call().tobytes() for call in CALLS]

def reap(child, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            assert status == 0, f"a child ended with {status}"
            return
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    raise AssertionError("a child hangs")

def in_child(do):
    child = os.fork()
    if child == 0:
        status = 1
        try:
            do()
            status = 0
        finally:
            os._exit(status)
    return child
"""


def run_python(*arguments, timeout=120, **environment):
    """Run Python in a process; return what it prints, if it ends well and says nothing on stderr."""
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, **environment},
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def run(code, *, before="", **options):
    """Run code behind that of `CALLS`."""
    return run_python("-c", before + CALLS + textwrap.dedent(code), **options)


def run_script(folder, code):
    """Run code behind that of `CALLS` from a file, which the processes that it starts import."""
    script = folder / "script.py"
    script.write_text(CALLS + textwrap.dedent(code))
    return run_python(script)


def test_eight_threads_make_threaded_calls_at_a_time():
    run("""
        import sysconfig

        if sysconfig.get_config_var("Py_GIL_DISABLED"):
            assert not sys._is_gil_enabled()
        expected, wrong = results(), []

        def work(number):
            for i in range(12):
                which = (number + i) % len(CALLS)
                if CALLS[which]().tobytes() != expected[which]:
                    wrong.append(which)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong
    """)


FORKS = {
    "a child, and its child, where the pool is warm": """
        expected = results()

        def check():
            assert results() == expected

        def check_and_fork():
            check()
            reap(in_child(check))
            check()

        children = [in_child(check_and_fork) for _ in range(3)]
        check()
        for child in children:
            reap(child)
    """,
    "a child has a pool of its own though its parent was about to change the pool": """
        from fastgd.rows import parallel

        def check():
            names = set()

            def task(i):
                time.sleep(0.01)
                names.add(threading.current_thread().name)

            parallel.share(task, range(12), 3)
            assert len(names) == 3

        with parallel._pool._lock:
            child = in_child(check)
        reap(child)
    """,
    # A fit keeps numpy's BLAS to one thread for all threads of the process: who is forked in one must not stay with that.
    "a child forked in a fit lets go of BLAS as its parent does": """
        import threadpoolctl
        from fastgd.fitting import blas

        def blas_threads():
            return {pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"}

        before, inside, done = blas_threads(), threading.Event(), threading.Event()

        def other_thread():
            with blas.one_blas_thread():
                inside.set()
                done.wait()

        thread = threading.Thread(target=other_thread)
        thread.start()
        inside.wait()

        def check():
            with blas.one_blas_thread():
                assert blas_threads() <= {1}
            assert blas_threads() == before

        def fork_in_fit():
            with blas.one_blas_thread():
                reap(in_child(lambda: None))
                child = os.fork()
                if child:
                    return reap(child)
            status = 1
            try:
                check()
                status = 0
            finally:
                os._exit(status)

        reap(in_child(check))
        with blas._lock:
            reap(in_child(check))
        fork_in_fit()
        done.set()
        thread.join()
        check()
    """,
}


# Calls with parts that are computed once in each, and where these are looked up; the first argument tells that one is reached.
COMPUTED_ONCE = {
    "strategy.spectrum": "fastgd.fit(X, y, method='gd')",
    "multi_target.moments_of_targets": "GDRegressor().fit(X, np.column_stack([y, y]))",
    "fit.Strategy": "fastgd.fit(X, y)",
}


@pytest.mark.parametrize(("place", "call"), COMPUTED_ONCE.items())
def test_neither_a_thread_nor_a_child_waits_for_the_fit_of_another_thread(place, call):
    run(f"""
        from fastgd.fitting import fit, multi_target, strategy
        from fastgd.sklearn import GDRegressor

        inside, may_go_on, real = threading.Event(), threading.Event(), {place}

        def slow(*args, **kwargs):
            inside.set()
            may_go_on.wait()
            return real(*args, **kwargs)

        {place} = slow
        other = threading.Thread(target=lambda: {call})
        other.start()
        assert inside.wait(60)
        {place} = real
        second = threading.Thread(target=lambda: {call}, daemon=True)
        second.start()
        second.join(60)
        assert not second.is_alive()
        if hasattr(os, "fork"):
            reap(in_child(lambda: {call}))
        may_go_on.set()
        other.join()
    """)


@forks
def test_a_child_compiles_that_was_forked_while_another_thread_was_compiling(tmp_path):
    run(
        """
        calls = [lambda k=k: fastgd.gradient(X[:9, :k], y[:9], theta[:k]) for k in (1, 2, 3)]
        calls.pop(0)()  # imports all that compiles: no child can import what another thread was importing
        compiling = threading.Thread(target=calls[0])
        compiling.start()
        children = []
        while compiling.is_alive() or not children:
            time.sleep(0.05)
            children.append(in_child(calls[1]))
        for child in children:
            reap(child)
        """,
        before=f"import os\nos.environ['NUMBA_CACHE_DIR'] = {str(tmp_path)!r}\n",
    )


@forks
def test_forked_children_are_right():
    run("\n".join(map(textwrap.dedent, FORKS.values())))


@forks
@pytest.mark.parametrize("n_forks", [12, pytest.param(300, marks=pytest.mark.slow)])
def test_a_child_is_right_that_was_forked_while_other_threads_were_in_the_middle_of_passes(n_forks, reached):
    run(
        f"""
        expected, stop = results(), threading.Event()

        def work(number):
            i = number
            while not stop.is_set():
                assert CALLS[i % len(CALLS)]().tobytes() == expected[i % len(CALLS)]
                i += 1

        def check():
            assert results() == expected

        threads = [threading.Thread(target=work, args=(number,)) for number in range(len(CALLS))]
        for thread in threads:
            thread.start()
        try:
            for _ in range({n_forks}):
                time.sleep(0.03 * rng.uniform())
                reap(in_child(check))
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        check()
        """,
        timeout=600,
    )
    reached("forks in the middle of passes", n_forks)


@pytest.mark.parametrize("method", ["fork", "spawn", pytest.param("forkserver", marks=pytest.mark.slow)])
def test_workers_of_multiprocessing_are_right(method, tmp_path):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system cannot {method}")
    run_script(
        tmp_path,
        f"""
        def job(which):
            return CALLS[which]().tobytes()

        if __name__ == "__main__":
            import multiprocessing
            expected = results()
            with multiprocessing.get_context({method!r}).Pool(2) as pool:
                assert pool.map(job, range(len(CALLS)), chunksize=1) == expected
        """,
    )


def test_jobs_of_joblib_are_right(tmp_path):
    pytest.importorskip("joblib")
    run_script(
        tmp_path,
        """
        def job(which):
            return CALLS[which]().tobytes()

        def jobs(order):
            from joblib import Parallel, delayed
            return Parallel(n_jobs=3, backend="threading")(delayed(job)(which) for which in order)

        if __name__ == "__main__":
            from joblib import Parallel, delayed
            expected = results()
            # Threads in processes, and threads that call at a time, each of which takes threads for its pass.
            for backend in ("loky", "threading"):
                found = Parallel(n_jobs=2, backend=backend)(delayed(jobs)(range(len(CALLS))) for _ in range(4))
                assert found == [expected] * 4
        """,
    )


# What calls while the interpreter ends, one after the other.
ENDS = {
    "with a pool": """
        import atexit

        class Late:
            def __init__(self):
                self.calls, self.expected, self.print = CALLS, expected, print

            def __del__(self):
                self.print([call().tobytes() for call in self.calls] == self.expected)

        expected = results()
        atexit.register(lambda: print(results() == expected))
        late = Late()
        sys.modules["late"] = Late()  # of which the last collection finds the cycle, when modules are gone
        sys.modules["late"].me = sys.modules["late"]
    """,
    "without a pool": """
        import atexit
        atexit.register(lambda: print(len(results()) == len(CALLS)))
    """,
}


@pytest.mark.parametrize("n_times", [1, pytest.param(10, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("end", "n_calls"), [("with a pool", 3), ("without a pool", 1)])
def test_a_call_while_the_interpreter_ends_is_right(end, n_calls, n_times):
    for _ in range(n_times):
        assert run(ENDS[end]).split() == ["True"] * n_calls


def test_no_worker_is_called_when_the_interpreter_cannot_let_it_run(monkeypatch):
    # A worker that is awake would take the work, and freeze when it asks for the interpreter; the caller would wait for ever.
    monkeypatch.setattr(sys, "is_finalizing", lambda: True)
    monkeypatch.setattr(parallel, "_pool", None)
    done = []
    parallel.share(done.append, range(3), 4)
    assert done == [0, 1, 2]


@pytest.mark.parametrize("n_times", [1, pytest.param(40, marks=pytest.mark.slow)])
def test_daemon_threads_do_not_keep_the_interpreter_from_ending(n_times, reached):
    for _ in range(n_times):
        output = run("""
            results()

            def work(number):
                while True:
                    CALLS[number]()

            for number in range(len(CALLS)):
                threading.Thread(target=work, args=(number,), daemon=True).start()
            time.sleep(0.2 * np.random.default_rng().uniform())
            print("end")
        """)
        assert output == "end"
    reached("interpreters that ended while daemon threads were in the middle of passes", n_times)


def test_a_system_that_lacks_what_linux_has_gets_the_same_bits(tmp_path):
    code = f"""
        X.tofile({str(tmp_path / "X")!r})
        mapped = np.memmap({str(tmp_path / "X")!r}, float, "r", shape=X.shape)
        print([*results(), fastgd.fit(mapped, y, n_threads=3).theta.tobytes()])
    """
    lacking = "import mmap, os; del os.fork, os.register_at_fork, os.sched_getaffinity, mmap.MADV_WILLNEED"
    assert run(code, before=lacking) == run(code)
