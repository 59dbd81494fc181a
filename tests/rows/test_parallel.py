"""Threads: the same bits whatever their number, nobody waits for ever, and nothing of a pass is left behind."""

import functools
import gc
import linecache
import os
import signal
import subprocess
import sys
import threading
import time
import weakref

import numba
import numpy as np
import pytest
from block_sizes import set_block_values
from llvmlite import ir
from numba.core import registry
from numba.extending import intrinsic

import fastgd
from fastgd.kernels import blocks as compiled_blocks
from fastgd.kernels import jit, mailbox, signals, tuning
from fastgd.rows import parallel, threads
from fastgd.rows.arrays import ArrayRows
from fastgd.rows.csr_matrix import CSR
from fastgd.rows.parallel import run, share
from fastgd.rows.sparse_rows import SparseRows


@pytest.fixture
def small_blocks(monkeypatch):
    set_block_values(monkeypatch, 64)


@pytest.fixture
def eager_switching():
    """Let the interpreter switch between threads as often as it can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.fixture(autouse=True)
def default_threads():
    yield
    fastgd.set_num_threads(None)


@pytest.fixture
def lent(monkeypatch):
    """Return a list that the numbers of workers are written to which passes ask for."""
    lend, asked = parallel._pool.lend, []
    monkeypatch.setattr(parallel._pool, "lend", lambda n: asked.append(n) or lend(n))
    return asked


def in_threads(*calls):
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("n_threads", [1, 2, 3, 7, 16])
@pytest.mark.parametrize("n_parts", [0, 1, 2, 5, 100])
def test_each_part_is_done_once(n_threads, n_parts):
    done = []
    share(done.append, range(n_parts), n_threads)
    assert sorted(done) == list(range(n_parts))


@pytest.mark.parametrize(
    ("n_parts", "n_threads", "n_workers"), [(2, 16, 1), (3, 3, 2), (100, 4, 3), (1, 2, 0), (5, 1, 0)]
)
def test_there_are_no_more_threads_than_parts(n_parts, n_threads, n_workers, lent):
    share(lambda i: None, range(n_parts), n_threads)
    assert sum(lent) == n_workers


def test_few_values_are_summed_by_one_thread(lent):
    fastgd.set_num_threads(2)
    for shared, rows in (
        (False, ArrayRows(np.ones((3 * 2**16 - 1, 2)), np.ones(3 * 2**16 - 1), None, 2)),
        (True, ArrayRows(np.ones((3 * 2**16, 2)), np.ones(3 * 2**16), None, 2)),
        (False, sparse_column(2**18 - 1, 2)),
        (True, sparse_column(2**18, 2)),
        (False, sparse_column(2**18, 1)),
        (True, sparse_column(2**18, None)),
    ):
        lent.clear()
        assert rows.gradient(np.ones(rows.n_features))[1] == rows.n_samples * (rows.n_features - 1)
        assert lent == [1] * shared


def sparse_column(n_samples, n_threads):
    numbers = np.arange(n_samples + 1, dtype=np.int32)
    X = CSR(np.ones(n_samples), np.zeros(n_samples, np.int32), numbers, (n_samples, 1))
    return SparseRows(X, np.ones(n_samples), None, n_threads)


def test_a_worker_is_waited_for_awake_where_each_thread_has_a_processor(monkeypatch):
    submit, n_spins = parallel._Worker.submit, []
    monkeypatch.setattr(parallel._Worker, "submit", lambda *given: n_spins.append(given[-1]) or submit(*given))
    monkeypatch.setattr(threads, "processors", lambda: 3)
    for n_threads, expected in (
        (2, tuning.SPIN_ITERATIONS),
        (3, tuning.SPIN_ITERATIONS),
        (4, tuning.SPIN_ITERATIONS_OF_MANY),
    ):
        n_spins.clear()
        share(lambda i: None, range(12), n_threads)
        assert n_spins == [expected] * (n_threads - 1)
    assert tuning.SPIN_ITERATIONS > 10 * tuning.SPIN_ITERATIONS_OF_MANY


def test_several_threads_take_part():
    names = set()

    def task(i):
        time.sleep(0.01)
        names.add(threading.current_thread().name)

    share(task, range(12), 3)
    assert len(names) == 3
    assert threading.current_thread().name in names


def strided(X):
    return np.repeat(X, 2, axis=1)[:, ::2]


def big_endian(X):
    return X.astype(X.dtype.newbyteorder(">"))


# The quick suite has float64 rows of few lengths, and weights in any case: each else is a kernel of its own to compile.
@pytest.mark.parametrize(
    ("seed", "numbers", "dtypes"),
    [
        (0, [3, 17], ["f8"]),
        *(pytest.param(i, range(1, 41), ["f4", "f8"], marks=pytest.mark.slow) for i in range(1, 10)),
    ],
)
def test_the_same_bits_for_any_number_of_threads_whenever_each_block_is_done(
    seed, numbers, dtypes, monkeypatch, reached
):
    pause_before_blocks(monkeypatch)
    rng = np.random.default_rng(seed)
    for _ in range(100):
        set_block_values(monkeypatch, int(rng.choice([32, 64, 500])))
        n_features = int(rng.choice(numbers if rng.integers(10) else [100, 333]))
        n_samples = int(rng.integers(1, 300 if n_features <= 40 else 60))
        dtype = rng.choice(dtypes)
        layouts = [np.ascontiguousarray, strided, big_endian]
        if n_features in (2, 3, 7, 17) or n_features > 32:  # of fewer columns, each number has a kernel of its own
            layouts.append(np.asfortranarray)
        X = rng.choice(layouts)(rng.standard_normal((n_samples, n_features)).astype(dtype))
        y = (10 * rng.standard_normal(n_samples)).astype(rng.choice([dtype, "f8", "i2", ">f4"]))
        s = None if seed % 2 else rng.uniform(size=n_samples).astype(rng.choice(["f4", "f8"]))
        theta = rng.standard_normal(n_features + rng.integers(2))
        results = set()
        for n_threads in (1, 2, 3, 7, 16, 64):
            PAUSES[1] = rng.integers(1 << 30)
            rows = ArrayRows(X, y, s, n_threads)
            results.add((rows.gradient(theta, 0.3).tobytes(), rows.product(theta).tobytes()))
        assert len(results) == 1
    reached("passes on 1, 2, 3, 7, 16 and 64 threads, with random pauses, that had the same bits", 1200)


# The address of the kernel that is paused before, what the pauses depend on beside the block, and what is looked at meanwhile.
PAUSES = np.zeros(3, np.int64)
PAUSES_AT = PAUSES.ctypes.data


@intrinsic
def pauses(_context):
    """Return a pointer to `PAUSES`, which numba would else take for a constant."""

    def generate(context, builder, signature, args):
        return builder.inttoptr(ir.Constant(ir.IntType(64), PAUSES_AT), ir.IntType(64).as_pointer())

    return numba.types.CPointer(numba.types.int64)(), generate


def pausing(X, start, stop, y, s, theta, scale, sums):
    """Wait for up to 100 microseconds, but mostly for less, and call the kernel."""
    cells = numba.carray(pauses(), 3)
    chance = ((start + cells[1]) * 2654435761 >> 7) % 128
    for _ in range(chance * chance // 32 if chance > 64 else 0):
        signals.load_acquire(cells, 2)
    compiled_blocks._call(cells[0], (X, start, stop, y, s, theta, scale, sums))


@functools.cache
def pausing_kernel(kind):
    signature = numba.types.void(*jit.kernel_arguments(kind))
    (overload,) = numba.njit(signature, **jit.FLAGS)(pausing).overloads.values()
    return overload.library.get_pointer_to_function(overload.fndesc.llvm_func_name), overload


def pause_before_blocks(monkeypatch):
    address = jit.Kernel.address

    def address_of_pausing(kernel, kind):
        PAUSES[0] = address(kernel, kind)
        return pausing_kernel(kind)[0]

    monkeypatch.setattr(jit.Kernel, "address", address_of_pausing)


@pytest.mark.parametrize("layout", [np.ascontiguousarray, np.asfortranarray, big_endian])
@pytest.mark.parametrize("n_features", [2, 12, 20, 40])
def test_the_same_bits_whenever_threads_are_switched(n_features, layout, small_blocks, eager_switching):
    rng = np.random.default_rng(n_features)
    X, y, theta = rng.standard_normal((300, n_features)), rng.standard_normal(300), rng.standard_normal(n_features)
    expected = ArrayRows(layout(X), y, n_threads=1).gradient(theta).tobytes()
    rows = ArrayRows(layout(X), y, n_threads=7)
    assert {rows.gradient(theta).tobytes() for _ in range(300)} == {expected}


def test_a_pass_of_real_size_has_the_same_bits_for_any_number_of_threads():
    rng = np.random.default_rng(3)
    for n_features in (3, 12, 40):
        for order in "CF":
            X = np.array(rng.standard_normal((3_000_000 // n_features, n_features)), order=order)
            y, theta = rng.standard_normal(len(X)), rng.standard_normal(n_features)
            results = {fastgd.gradient(X, y, theta, n_threads=n).tobytes() for n in (1, 2, 3, 7, 16)}
            assert len(results) == 1


def test_a_fit_has_the_same_bits_for_any_number_of_threads(small_blocks):
    rng = np.random.default_rng(1)
    X, y = rng.standard_normal((500, 4)), rng.standard_normal(500)
    results = {fastgd.fit(X, y, n_threads=n_threads, max_iter=50).theta.tobytes() for n_threads in (1, 2, 5)}
    assert len(results) == 1


@pytest.mark.parametrize("culprit", ["the caller", "a worker"])
def test_an_error_in_a_task_ends_the_pass_and_is_raised(culprit):
    caller = threading.current_thread()

    begun = []

    def task(i):
        begun.append(i)
        time.sleep(0.002)
        if (threading.current_thread() is caller) == (culprit == "the caller"):
            raise ZeroDivisionError(f"part {i}")

    with pytest.raises(ZeroDivisionError):
        share(task, range(500), 3)
    assert len(begun) < 100
    done = []
    share(done.append, range(50), 3)  # the workers are fit for the next pass
    assert len(done) == 50


def test_no_worker_runs_on_after_the_pass():
    running = threading.Semaphore(0)

    def task(i):
        if threading.current_thread() is threading.main_thread():
            assert running.acquire(timeout=5)  # until a worker is at its part
            raise KeyboardInterrupt
        running.release()
        time.sleep(0.05)
        late.append(i)

    late = []
    with pytest.raises(KeyboardInterrupt):
        share(task, range(1000), 3)
    count = len(late)
    time.sleep(0.2)
    assert len(late) == count < 10


@pytest.mark.parametrize("n_threads", [2, 5])
def test_nothing_of_a_pass_is_kept(n_threads):
    for seconds in (0.0, 0.01):
        held = np.zeros(3)
        alive = weakref.ref(held)
        share(lambda i, held=held, seconds=seconds: time.sleep(seconds + held[0]), range(3), n_threads)
        del held
        end = time.monotonic() + 5
        while alive() is not None and time.monotonic() < end:
            time.sleep(0.001)
        assert alive() is None


@pytest.mark.parametrize("n_threads", [2, 64])  # which wait awake, or not
@pytest.mark.parametrize("seconds", [0.0, 0.0001, 0.05])
def test_a_part_that_a_worker_has_taken_is_done_though_the_caller_finds_no_more(seconds, n_threads):
    taken, done = threading.Event(), []

    def task(i):
        if threading.current_thread() is threading.main_thread():
            assert taken.wait(5)
        else:
            taken.set()
            time.sleep(seconds)  # the caller closes the pass between the taking and the doing
            done.append(0)

    share(task, range(n_threads), n_threads)
    n_done = len(done)
    assert n_done >= 1
    time.sleep(0.01)
    assert len(done) == n_done


@pytest.mark.processes
@pytest.mark.parametrize("n_seconds", [1, pytest.param(10, marks=pytest.mark.slow)])
def test_a_pass_ends_however_its_threads_come_and_go(n_seconds):
    # In a process of its own, as a pass that does not end cannot be interrupted from within.
    code = f"""if True:
        import sys, time
        from fastgd.rows import parallel, threads
        sys.setswitchinterval(1e-6)
        end = time.monotonic() + {n_seconds}
        n_passes = 0
        while time.monotonic() < end:
            parallel.share(lambda i: None, range(12), 16 if n_passes % 2 else 2)
            n_passes += 1
    """
    subprocess.run([sys.executable, "-c", code], timeout=60, check=True)


@numba.njit(nogil=True)
def add_often(cells, i, amount, seen):
    for place in range(len(seen)):
        seen[place] = signals.add(cells, i, amount)


def test_adding_from_several_threads_loses_nothing_and_gives_each_its_own_number():
    cells, seen = np.zeros(3, np.int64), np.empty((4, 200_000), np.int64)
    add_often(cells, 1, 1, seen[0, :0])
    in_threads(*(lambda own=own: add_often(cells, 1, 1, own) for own in seen))
    assert cells.tolist() == [0, seen.size, 0]
    assert (np.sort(seen, axis=None) == np.arange(seen.size)).all()
    assert (np.diff(seen) > 0).all()


@numba.njit(nogil=True)
def pass_tokens(cells, n, seen):
    for place in range(n):
        seen[place] = signals.exchange(cells, 0, seen[place])


def test_exchanging_from_several_threads_keeps_each_value_once():
    cells, seen = np.zeros(1, np.int64), np.arange(1, 400_001).reshape(4, -1)
    pass_tokens(cells, 0, seen[0])
    in_threads(*(lambda own=own: pass_tokens(cells, len(own), own) for own in seen))
    assert sorted([*seen.ravel().tolist(), cells[0]]) == list(range(400_001))


@numba.njit(nogil=True)
def lock_and_count(lock, counts, n):
    for _ in range(n):
        while not signals.compare_and_swap(lock, 1, 5, 6):
            pass
        counts[0] = counts[0] + 1  # not in one step: only the lock keeps the threads apart
        signals.compare_and_swap(lock, 1, 6, 5)


def test_replacing_succeeds_for_one_of_several_threads_only():
    lock, counts = np.array([0, 5]), np.zeros(1)
    lock_and_count(lock, counts, 0)
    in_threads(*[lambda: lock_and_count(lock, counts, 50_000)] * 2)
    assert (lock.tolist(), counts[0]) == ([0, 5], 100_000)


@numba.njit(nogil=True)
def load_acquire(cells, i):
    return signals.load_acquire(cells, i)


def test_looking_rests_on_processors_that_have_an_instruction_for_it():
    cells = signals.CELLS
    signature, generate = signals.load_acquire._defn(None, cells, numba.types.int64)
    context = registry.cpu_target.target_context
    for triple, rests in (("x86_64-unknown-linux-gnu", True), ("aarch64-unknown-linux-gnu", False)):
        module = ir.Module()
        module.triple = triple
        kinds = [context.get_value_type(kind) for kind in signature.args]
        function = ir.Function(module, ir.FunctionType(ir.IntType(64), kinds), "load_acquire")
        builder = ir.IRBuilder(function.append_basic_block())
        builder.ret(generate(context, builder, signature, function.args))
        assert ("llvm.x86.sse2.pause" in str(module)) is rests
        assert "load atomic" in str(module)


def test_arguments_of_a_pass_that_take_more_than_their_place_are_not_written(monkeypatch):
    monkeypatch.setattr(compiled_blocks, "ENVIRONMENT_LENGTH", 1)
    write = numba.njit(lambda environment, a, b: compiled_blocks._write(environment, (a, b)))
    with pytest.raises(Exception, match="ENVIRONMENT_LENGTH is 1, but 16 bytes are needed"):
        write(np.zeros(2, np.int64), 1, 2)
    monkeypatch.setattr(compiled_blocks, "ENVIRONMENT_LENGTH", 8)
    write = numba.njit(lambda environment, arguments: compiled_blocks._write(environment, arguments))
    with pytest.raises(Exception, match="ENVIRONMENT_LENGTH is 8, but 72 bytes are needed"):
        write(np.zeros(9, np.int64), tuple(range(9)))
    environment = np.zeros(8, np.int64)
    write(environment, tuple(range(8)))
    assert environment.tolist() == list(range(8))


def test_looking_changes_nothing():
    cells = np.arange(3)
    assert [load_acquire(cells, i) for i in range(3)] == cells.tolist() == [0, 1, 2]


def counting_job(environment, number):
    """Add 1 to the first cell, and to that of the thread; there is more to do for the calling thread until that is 3."""
    cells = numba.carray(environment, 20)
    signals.add(cells, 0, 1)
    mine = signals.add(cells, 1 + number, 1)
    return mailbox.MORE if mine < 2 else mailbox.DONE


def failing_job(environment, number):
    """Have no memory on the threads of which cell 0 says so."""
    cells = numba.carray(environment, 20)
    signals.add(cells, 1, 1)
    if (cells[0] == 0) == (number == 0):
        raise MemoryError
    while number == 0 and signals.load_acquire(cells, 1) < 2:
        pass
    return mailbox.DONE


def waiting_job(environment, number):
    """Let a worker say that it is there, and wait until cell 0 says that it may go."""
    cells = numba.carray(environment, 20)
    if number:
        signals.add(cells, 1, 1)
    while signals.load_acquire(cells, 0 if number else 1) == 0:
        pass
    return mailbox.DONE


def address_of(function):
    jobs.append(mailbox.compiled_job(function, numba.types.int64))
    return jobs[-1].address


jobs = []


@pytest.mark.parametrize("n_threads", [1, 2, 3, 16])
def test_a_job_is_called_by_each_thread_until_there_is_no_more(n_threads):
    job = address_of(counting_job)
    for _ in range(200):
        cells = np.zeros(20, np.int64)
        run(job, cells, None, lambda: None, n_threads)
        assert cells[1] == 3
        assert set(cells[2 : 1 + n_threads].tolist()) <= {0, 3}  # a worker that comes too late is not waited for
        assert not cells[1 + n_threads :].any()
        assert cells[0] == cells[1:].sum()


def roll_call(environment, number):
    """Say that one is there; there is more to do for the calling thread until all others have said so."""
    cells = numba.carray(environment, 1)
    if number:
        signals.add(cells, 0, -1)
    return mailbox.MORE if number == 0 and signals.load_acquire(cells, 0) else mailbox.DONE


@pytest.mark.parametrize("n_threads", [1, 2, 3, 16])
def test_all_threads_come_if_there_is_time(n_threads):
    job = address_of(roll_call)
    for _ in range(100):
        cells = np.array([n_threads - 1])
        run(job, cells, None, lambda: None, n_threads)
        assert cells[0] == 0


@pytest.mark.parametrize("culprit", [0, 1], ids=["the caller", "a worker"])
def test_a_thread_without_memory_is_told(culprit):
    job = address_of(failing_job)
    for _ in range(20):
        with pytest.raises(MemoryError, match=r"n_threads=2 .* take fewer threads"):
            run(job, np.array([culprit, *[0] * 19]), None, lambda: None, 2)
    run(address_of(counting_job), np.zeros(20, np.int64), None, lambda: None, 2)


def test_a_mailbox_fills_a_line_of_the_cache():
    for _ in range(20):
        box = mailbox.new()
        assert box.ctypes.data % 64 == 0
        assert (box.nbytes, box.any()) == (64, False)


def test_a_worker_that_has_not_begun_is_let_off():
    box = mailbox.new()
    submit, join, worker_loop = map(mailbox.compiled, (mailbox.submit, mailbox.join, mailbox.worker_loop))
    assert not submit(box, 0, 0, 1, 0)
    assert join(box, 0)
    assert not worker_loop(box)  # it goes to sleep
    assert box[mailbox.STATE] == mailbox.ASLEEP
    assert submit(box, 0, 0, 1, 0)
    assert join(box, 0)
    assert not worker_loop(box)


def test_where_no_thread_can_be_started_the_caller_does_it_all(monkeypatch):
    def refuse(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(parallel, "_pool", parallel._Pool())
    monkeypatch.setattr(threading.Thread, "start", refuse)
    done = []
    share(done.append, range(10), 4)
    assert done == list(range(10))


def test_ctrl_c_ends_a_pass_and_the_next_call_is_right(small_blocks):
    X, y, theta = np.ones((2_000_000, 2)), np.zeros(2_000_000), np.ones(2)
    threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()

    def many_passes():
        while True:
            fastgd.gradient(X, y, theta, n_threads=2)

    with pytest.raises(KeyboardInterrupt):
        many_passes()
    assert fastgd.gradient(X, y, theta, n_threads=2).tolist() == [4.0, 4.0]


class Interrupter:
    """Raise KeyboardInterrupt in the n-th line that is run of `fastgd.rows.parallel`, as Ctrl-C may."""

    def __init__(self, n):
        self.n_left = n

    def __call__(self, frame, event, argument):
        if frame.f_code.co_filename != parallel.__file__ or threading.current_thread() is not threading.main_thread():
            return None
        # The end of a block under a lock is another event of its first line; between it and the unlocking no interrupt comes.
        unlocks = parallel._pool._lock.locked() and "with " in linecache.getline(parallel.__file__, frame.f_lineno)
        if event == "line" and not unlocks:
            self.n_left -= 1
            if self.n_left == 0:
                raise KeyboardInterrupt
        return self


@pytest.mark.parametrize("layout", [np.ascontiguousarray, strided])
def test_ctrl_c_in_any_line_leaves_a_pool_that_is_right_and_whole(layout, small_blocks, monkeypatch):
    pool = parallel._Pool()
    monkeypatch.setattr(parallel, "_pool", pool)
    rng = np.random.default_rng(4)
    X, y, theta = layout(rng.standard_normal((300, 4))), rng.standard_normal(300), rng.standard_normal(4)
    expected = fastgd.gradient(X, y, theta, n_threads=1).tobytes()
    n = n_interrupted = 0
    while n_interrupted == n:
        n += 1
        traced = sys.gettrace()
        sys.settrace(Interrupter(n))
        try:
            fastgd.gradient(X, y, theta, n_threads=3)
        except KeyboardInterrupt:
            n_interrupted += 1
        finally:
            sys.settrace(traced)
        assert fastgd.gradient(X, y, theta, n_threads=3).tobytes() == expected
    assert n > 40
    end = time.monotonic() + 5
    while len(pool._free) < 2 and time.monotonic() < end:
        fastgd.gradient(X, y, theta, n_threads=3)
    assert len(pool._workers) == 2
    assert {*pool._free} == {*pool._workers}


def test_an_interrupt_while_workers_are_waited_for_comes_when_they_are_done(monkeypatch):
    done = []
    join = parallel._Worker.join

    def interrupted(worker, n_spins):
        monkeypatch.setattr(parallel._Worker, "join", join)
        raise KeyboardInterrupt

    def task(i):
        time.sleep(0.05)
        done.append(i)
        if threading.current_thread() is threading.main_thread():
            monkeypatch.setattr(parallel._Worker, "join", interrupted)

    with pytest.raises(KeyboardInterrupt):
        share(task, range(4), 2)
    assert sorted(done) == list(range(4))
    share(done.append, range(10), 2)
    assert len(done) == 14


def test_a_worker_is_lent_once_at_a_time_and_comes_back_when_its_loan_is_lost_and_it_is_done():
    pool, go = parallel._Pool(), threading.Event()
    loan = pool.lend(1)
    (worker,) = loan
    assert pool.lend(1) == []  # it is idle, but somebody has it
    worker.task = go.wait
    worker.submit(0, 0, 1, 0)
    while worker.task is not parallel._nothing:  # until it has begun
        time.sleep(0.001)
    del loan
    assert pool.lend(1) == []  # nobody has it, but it is busy
    go.set()
    while not worker.join(0):
        time.sleep(0.001)
    assert pool.lend(1) == [worker]


def test_a_worker_keeps_what_it_works_on_until_it_is_done_and_no_longer():
    pool, cells = parallel._Pool(), np.zeros(20, np.int64)
    (worker,) = loan = pool.lend(1)
    worker.held = cells
    worker.submit(address_of(waiting_job), cells.ctypes.data, 1, 0)
    while not cells[1]:  # until it has begun
        time.sleep(0.001)
    assert not worker.join(0)
    assert worker.held is cells
    cells[0] = 1
    while not worker.join(0):
        time.sleep(0.001)
    assert (worker.held, worker.task) == (None, parallel._nothing)
    pool.take_back(loan)


def test_what_a_worker_works_on_lives_as_long_though_its_pass_was_broken_off(small_blocks, monkeypatch):
    monkeypatch.setattr(parallel, "_pool", parallel._Pool())
    release = np.zeros(20, np.int64)
    held = np.zeros(3)
    alive = weakref.ref(held)

    def interrupt(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(parallel, "_join", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(address_of(waiting_job), release, held, lambda: None, 2)
    del held
    gc.collect()
    assert release[1] == 1  # the worker waits
    assert alive() is not None
    release[0] = 1
    end = time.monotonic() + 5
    while alive() is not None and time.monotonic() < end:
        share(lambda i: None, range(3), 2)
    assert alive() is None


def test_the_number_of_threads_is_set_by_call_then_by_function_then_by_environment(monkeypatch):
    monkeypatch.setenv("FASTGD_NUM_THREADS", "5")
    assert fastgd.get_num_threads() == 5
    fastgd.set_num_threads(3)
    assert fastgd.get_num_threads() == 3
    fastgd.set_num_threads(None)
    monkeypatch.delenv("FASTGD_NUM_THREADS")
    if hasattr(os, "sched_getaffinity"):
        assert 1 <= fastgd.get_num_threads() <= len(os.sched_getaffinity(0))


def test_the_processors_are_those_of_the_affinity_within_the_quota_or_all(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", {0: {3, 5, 8}}.__getitem__, raising=False)
    monkeypatch.setattr(threads, "_whole_quota", threads._whole_quota.__wrapped__)  # which keeps nothing
    for quota, expected in ((np.inf, 3), (2.5, 3), (2.0, 2), (0.1, 1), (0.0, 1)):
        monkeypatch.setattr(threads, "_quota", lambda quota=quota: quota)
        assert threads.processors() == expected
    monkeypatch.setattr(threads, "_quota", lambda: np.inf)
    monkeypatch.delattr(os, "sched_getaffinity")
    for count, expected in ((5, 5), (None, 1)):
        monkeypatch.setattr(os, "cpu_count", lambda count=count: count)
        assert threads.processors() == expected


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
    with pytest.raises(error, match=r"n_threads=.* whole number >= 1"):
        fastgd.set_num_threads(bad)
    for call in (
        fastgd.gradient,
        fastgd.cost,
        fastgd.cost_and_gradient,
        lambda X, y, _, **given: fastgd.fit(X, y, **given),
    ):
        with pytest.raises(error, match=r"n_threads=.* whole number >= 1"):
            call(X, y, theta, n_threads=bad)


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
        ("0::/a:b\n", {"a:b/cpu.max": "100000 100000\n"}, 1.0),
    ],
)
def test_the_cgroups_quota_is_found(tmp_path, membership, files, expected):
    for name, text in {"membership": membership, **{f"root/{name}": text for name, text in files.items()}}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="ascii")
    assert threads._quota(tmp_path / "root", tmp_path / "membership") == expected


def test_without_cgroups_there_is_no_quota(tmp_path):
    assert threads._quota(tmp_path, tmp_path / "missing") == np.inf
