"""Threads: the same bits whatever their number, nobody waits for ever, and nothing of a pass is left behind."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import fastgd
from fastgd.rows import parallel
from fastgd.rows.parallel import for_each_block


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr("fastgd.rows.blocks.BLOCK_VALUES", 64)
    monkeypatch.setattr("fastgd.rows.arrays.BLOCK_VALUES", 64)


@pytest.fixture(autouse=True)
def default_threads():
    yield
    fastgd.set_num_threads(None)


@pytest.mark.parametrize("n_threads", [1, 2, 3, 7, 16])
@pytest.mark.parametrize("n_blocks", [0, 1, 2, 5, 100])
def test_each_block_is_done_once(n_threads, n_blocks):
    done = []
    for_each_block(done.append, n_blocks, n_threads)
    assert sorted(done) == list(range(n_blocks))


def test_several_threads_take_part():
    names = set()

    def task(i):
        time.sleep(0.01)
        names.add(threading.current_thread().name)

    for_each_block(task, 12, 3)
    assert len(names) == 3
    assert threading.current_thread().name in names


def test_the_same_bits_for_any_number_of_threads(small_blocks):
    rng = np.random.default_rng(0)
    for _ in range(100):
        n_samples, n_features = rng.integers(1, 300), rng.integers(1, 9)
        X = rng.standard_normal((n_samples, n_features)).astype(rng.choice(["f4", "f8"]), order=rng.choice(["C", "F"]))
        y, s = rng.standard_normal(n_samples), rng.uniform(size=n_samples) if rng.integers(2) else None
        theta = rng.standard_normal(n_features)
        results = {
            (cost, gradient.tobytes())
            for n_threads in (1, 2, 3, 7, 16)
            for cost, gradient in [fastgd.cost_and_gradient(X, y, theta, sample_weight=s, n_threads=n_threads)]
        }
        assert len(results) == 1


def test_a_fit_has_the_same_bits_for_any_number_of_threads(small_blocks):
    rng = np.random.default_rng(1)
    X, y = rng.standard_normal((500, 4)), rng.standard_normal(500)
    results = {fastgd.fit(X, y, n_threads=n_threads, max_iter=50).theta.tobytes() for n_threads in (1, 2, 5)}
    assert len(results) == 1


@pytest.mark.parametrize("culprit", ["the caller", "a worker"])
def test_an_error_in_a_task_ends_the_pass_and_is_raised(culprit):
    caller = threading.current_thread()

    def task(i):
        time.sleep(0.002)
        if (threading.current_thread() is caller) == (culprit == "the caller"):
            raise ZeroDivisionError(f"block {i}")

    with pytest.raises(ZeroDivisionError):
        for_each_block(task, 50, 3)
    done = []
    for_each_block(done.append, 50, 3)  # the workers are fit for the next pass
    assert len(done) == 50


def test_no_worker_runs_on_after_the_pass():
    running = threading.Semaphore(0)

    def task(i):
        if threading.current_thread() is threading.main_thread():
            assert running.acquire(timeout=5)  # until a worker is at its block
            raise KeyboardInterrupt
        running.release()
        time.sleep(0.05)
        late.append(i)

    late = []
    with pytest.raises(KeyboardInterrupt):
        for_each_block(task, 1000, 3)
    count = len(late)
    time.sleep(0.2)
    assert len(late) == count < 10


def test_a_block_that_a_worker_has_taken_is_done_though_the_caller_finds_no_more():
    taken, done = threading.Event(), []
    work = parallel._Work(done.append, 1)
    blocks = work._blocks

    def slow():
        for i in blocks:
            taken.set()
            time.sleep(0.05)  # the caller closes the pass between the taking and the doing
            yield i

    work._blocks = slow()
    worker = threading.Thread(target=work.help)
    worker.start()
    assert taken.wait(5)
    work.close()
    assert done == [0]
    worker.join()


def test_threads_of_the_caller_can_meet_in_the_pool(small_blocks):
    rng = np.random.default_rng(2)
    X, y, theta = rng.standard_normal((2000, 4)), rng.standard_normal(2000), rng.standard_normal(4)
    expected = fastgd.gradient(X, y, theta, n_threads=1).tobytes()
    results = []

    def call():
        results.extend(fastgd.gradient(X, y, theta, n_threads=3).tobytes() for _ in range(20))

    callers = [threading.Thread(target=call) for _ in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert results == [expected] * 160


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_makes_a_pool_of_its_own():
    code = """if True:
        import os, warnings, numpy as np, fastgd
        warnings.simplefilter("ignore", DeprecationWarning)  # of fork beside threads, which is what is tried here
        X, y, theta = np.ones((600_000, 2)), np.zeros(600_000), np.ones(2)
        before = fastgd.gradient(X, y, theta, n_threads=2)
        child = os.fork()
        after = fastgd.gradient(X, y, theta, n_threads=2)
        assert (before == after).all()
        if child == 0:
            os._exit(0)
        print(os.waitpid(child, 0)[1])
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "0"


def test_where_no_thread_can_be_started_the_caller_does_it_all(monkeypatch):
    def refuse(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(parallel, "_pool", parallel._Pool())
    monkeypatch.setattr(threading.Thread, "start", refuse)
    done = []
    for_each_block(done.append, 10, 4)
    assert done == list(range(10))


def test_a_call_at_exit_ends():
    code = """if True:
        import atexit, numpy as np, fastgd
        X, y, theta = np.ones((600_000, 2)), np.zeros(600_000), np.ones(2)
        atexit.register(lambda: print(fastgd.gradient(X, y, theta, n_threads=2)))
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[4. 4.]"
    assert done.stderr == ""


def test_ctrl_c_ends_a_pass_and_the_next_call_is_right(small_blocks):
    X, y, theta = (
        np.ones((2_000_000, 2)),
        np.zeros(2_000_000),
        np.ones(2),
    )  # 62,500 blocks: a quarter of a second and more
    threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()

    def many_passes():
        for _ in range(100):
            fastgd.gradient(X, y, theta, n_threads=2)

    with pytest.raises(KeyboardInterrupt):
        many_passes()
    assert fastgd.gradient(X, y, theta, n_threads=2).tolist() == [4.0, 4.0]


def test_the_number_of_threads_is_set_by_call_then_by_function_then_by_environment(monkeypatch):
    monkeypatch.setenv("FASTGD_NUM_THREADS", "5")
    assert fastgd.get_num_threads() == 5
    fastgd.set_num_threads(3)
    assert fastgd.get_num_threads() == 3
    fastgd.set_num_threads(None)
    monkeypatch.delenv("FASTGD_NUM_THREADS")
    if hasattr(os, "sched_getaffinity"):
        assert 1 <= fastgd.get_num_threads() <= len(os.sched_getaffinity(0))


@pytest.mark.parametrize("text", ["0", "-1", "two", "", "1.5"])
def test_a_bad_environment_is_told(text, monkeypatch):
    monkeypatch.setenv("FASTGD_NUM_THREADS", text)
    with pytest.raises(ValueError, match=f"FASTGD_NUM_THREADS={text!r}"):
        fastgd.get_num_threads()


@pytest.mark.parametrize(
    ("bad", "error"), [(0, ValueError), (-2, ValueError), (1.5, TypeError), (True, TypeError), ("2", TypeError)]
)
def test_a_bad_number_of_threads_is_told(bad, error):
    X, y, theta = np.ones((2, 1)), np.ones(2), np.ones(1)
    calls = [
        lambda: fastgd.set_num_threads(bad),
        lambda: fastgd.gradient(X, y, theta, n_threads=bad),
        lambda: fastgd.cost(X, y, theta, n_threads=bad),
        lambda: fastgd.cost_and_gradient(X, y, theta, n_threads=bad),
        lambda: fastgd.fit(X, y, n_threads=bad),
    ]
    for call in calls:
        with pytest.raises(error, match=r"n_threads=.* whole number >= 1"):
            call()


@pytest.mark.parametrize(
    ("membership", "files", "expected"),
    [
        ("0::/job\n", {"job/cpu.max": "150000 100000\n"}, 1.5),
        ("0::/job/step\n", {"job/cpu.max": "200000 100000\n", "job/step/cpu.max": "max 100000\n"}, 2.0),
        ("0::/\n", {"cpu.max": "50000 100000\n"}, 0.5),
        ("0::/job\n", {}, np.inf),
        ("0::/job\n", {"job/cpu.max": "nonsense"}, np.inf),
        (
            "4:memory:/m\n3:cpu,cpuacct:/job\n",
            {"cpu/job/cpu.cfs_quota_us": "300000\n", "cpu/job/cpu.cfs_period_us": "100000\n"},
            3.0,
        ),
        ("3:cpu:/job\n", {"cpu/job/cpu.cfs_quota_us": "-1\n", "cpu/job/cpu.cfs_period_us": "100000\n"}, np.inf),
        ("nonsense\n", {}, np.inf),
    ],
)
def test_the_cgroups_quota_is_found(tmp_path, membership, files, expected):
    for name, text in {"membership": membership, **{f"root/{name}": text for name, text in files.items()}}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="ascii")
    assert parallel._quota(tmp_path / "root", tmp_path / "membership") == expected
