"""What is tuned to a machine: the sizes of blocks, prefetching, threads, reading from storage, and the cost of a pass.

The numbers are read as attributes of this module where they are used, so a change of one reaches all of its users. Those marked
"compiled in" are the exception: a kernel keeps the values that it was compiled with, and the cache on disk tells kernels apart
by the text of this file (`fastgd.kernels.cache`), not by values that are set or computed at run time. A process also keeps its
list of kernels, the kernel that it chose for a number of features, the plan of a pass (`SHARES_PER_THREAD`), and the layouts
that follow from `CACHE_LINE`.
"""

# Blocks: these numbers decide how sums are cut, so other values give other last bits.

# How many values a block of rows should hold: read in 40 to 80 us, in which a thread can be woken up, and enough for the few
# instructions between blocks to be lost in them.
BLOCK_VALUES = 1 << 17

# How many values stay in the second-level cache, for what numpy goes over several times.
CACHED_VALUES = 1 << 16

# Up to so many features in a row, eight rows and their sums stay in registers.
FEW_FEATURES = 8

# More columns at a time are more streams than the hardware follows: against a plain sum, 1.0 at 32, and 0.88 at 40.
FEW_COLUMNS = 32

# Steps of eight rows whose sums are kept apart, by the number of features, so that an addition need not wait for the one
# before. Compiled in.
UNROLLED = {1: 4, 2: 2, 3: 2}

# Rows of up to so many features are kept in registers as a whole.
WHOLE_FEATURES = 128

# A block of longer rows has at least so many groups of eight: the first and the last are read by halves, which costs 6 of 100
# with half as many.
MIN_GROUPS = 64

# A block of columns has at least so many rows, as the first and the last panel are read by halves.
MIN_BLOCK_ROWS = 1024

# A block of many features has no more values than this, as a thread hears of an interrupt between two blocks.
MAX_BLOCK_VALUES = 1 << 25

# A panel of columns is read from memory, and then from the second-level cache, so that it should take no more than part of it;
# but a column's piece should be long, as each begins with a page that the processor has not looked up and a stream that the
# hardware has not recognised. Beyond MAX_PANEL_FEATURES no panel does both, and the second reading is from the third level. In
# bytes; compiled in.
PANEL_BYTES, PIECE_BYTES = 1 << 18, 384
MAX_PANEL_FEATURES, LONG_PIECE_BYTES = 1200, 1536

# For second moments rows are copied, so many at a time that the copy stays in the nearest caches, but at least as many as are
# worth the reading and writing of each tile. Compiled in.
COPY_BYTES, MIN_COPY_ROWS = 1 << 16, 64

# Copies of which scores are made are gone over three times more: with a quarter of the rows, this took as long as moments do,
# where with as many it took 1.25 times as long (1e6 rows of 30 features).
SCORED_COPY_BYTES = 1 << 14

# A block's second moments are added to those of others, which should cost little beside it: so it has at least so many rows for
# each feature, and in all. It takes some 50 ms at most, as a thread hears of an interrupt between two blocks.
MOMENT_ROWS_PER_FEATURE, MIN_MOMENT_ROWS = 16, 256
MAX_MULTIPLY_ADDS = 1 << 31

# How many multiply-adds with a value take as long as reading one.
MULTIPLY_ADDS_PER_READ = 64

# Sums of a column that are taken side by side, in memory: with fewer, each would wait for its own last one. Compiled in.
COLUMN_SUMS = 32

# A block of sparse rows has at least so many values for each of its sums, which are zeroed and added to those of others.
SPARSE_VALUES_PER_SUM = 4

# A block that is decomposed has `CACHED_VALUES`, and at least so many rows for each column: with fewer of them, most of the
# work would be to merge the factors.
FACTOR_ROWS_PER_COLUMN = 4

# Second moments of several folds are summed from one reading of the rows where there are no more of them: 8 MB, to be zeroed
# and added to those of others with each block. It decides how sums are cut, too.
MOST_SUMS_OF_FOLDS = 1 << 20

# How many rows and values are sampled at most, and how many rows at one place: each place costs a look-up where rows are in
# memory, and a wait for the disk where they are in a mapped file.
SAMPLED_ROWS, SAMPLED_VALUES = 1000, 1 << 20
SAMPLED_TOGETHER = 50

# Registers and caches: all of this is compiled in, and changes no result.

# Registers of so many float64 in all, as AVX-512's, are many.
MANY_LANES = 256

# The sums of this many vectors, in many registers or few, stay there beside whole rows; those of more are added to in cache.
WHOLE_SUMS_IN_MANY, WHOLE_SUMS_IN_FEW = 8, 3

# In many registers, or few, up to so many columns are summed without a panel: with AVX2, groups of them took 0.97 of the time
# at 12 columns from memory, 0.63 from cache; 0.67 and 0.42 at 32.
COLUMNS_IN_MANY, COLUMNS_IN_FEW = 24, 9

# Rows of so many features or more are transposed by pairs of values. With 8 features that took 0.5 to 0.7 of the time with
# AVX2, and 0.9 with AVX-512; with fewer than 5 up to 1.3 of it, in cache.
PAIRED_FEATURES = 5

# Of some columns at a time, a panel is read from memory and then from the nearest cache, of which it takes a part. In bytes.
GROUPS_PANEL_BYTES = 1 << 14

CACHE_LINE = 64  # bytes

# What is no larger than this, in bytes, is taken to be in the second-level cache, where a prefetch takes as long as reading.
CACHED_BYTES = 1 << 20

# How far ahead rows are prefetched, in cache lines: rows of few features, and whole rows. The hardware foresees them, too, but
# brings them no nearer than the second-level cache: against a plain sum, float32 reached 0.64 to 0.83 without and 0.87 to 1.02
# with it in rows of few features, and 0.85 and 0.95 in whole rows. Few columns need no help.
FEW_LINES_AHEAD, WHOLE_LINES_AHEAD = 64, 128

# How far ahead longer rows are prefetched, in bytes. Eight rows of some hundred features are eight short streams, which the
# hardware does not follow: against a plain sum, 0.5 (float32) to 0.9 without and 0.9 to 1.1 with it. Up to SHORT_ROW_BYTES a
# row, lines are prefetched in the order in which they lie; beyond, in the order in which they are read.
SHORT_ROW_BYTES, SHORT_ROWS_AHEAD, LONG_ROW_AHEAD = 896, 8192, 2048

# How far ahead columns are prefetched, in bytes of each.
COLUMN_AHEAD = 1024

# Threads: the first two decide how sums are cut, too.

# From here on a pass is shared among threads: sharing costs 15 us, or some 50 where the workers are asleep, in which one thread
# reads 2^17 values.
MIN_SHARED_VALUES = 3 << 17

# So is a pass over sparse rows, from so many stored values on.
MIN_SHARED_STORED = 1 << 18

# A thread takes this part of its share of what is left: one third.
SHARES_PER_THREAD = 3

# How many blocks of `BLOCK_VALUES` a thread sums before it hears of an interrupt: some 20 ms.
BLOCKS_AT_ONCE = 256

# How often a thread that waits for another one looks before it goes to sleep, some 15 ns each time. To be woken up took 100 us
# on a virtual machine; the passes of a descent follow each other in less.
SPIN_ITERATIONS = 10_000

# With more threads than processors, each look is time that another thread could use; so few that a hand-over is cheapest.
SPIN_ITERATIONS_OF_MANY = 300

# How long the calling thread sleeps at a time, in seconds, where a worker needs longer than that for its last part.
POLL_SECONDS = 5e-5

# Products with matrices up to this order BLAS keeps to one thread itself.
SMALL_MATRIX = 32

# How many summaries one task of dask merges: a task costs the scheduler a millisecond, a merge takes microseconds.
MERGED_AT_ONCE = 8

# Streams and files: the sizes of chunks decide how sums are cut, too.

# How many values a chunk has, nearly, of a stream: enough for its threads to be worth waking, and little beside the memory of a
# program; of Parquet files; and of a memory map, where the next chunk is read while one is summed.
STREAM_VALUES, PARQUET_VALUES, MAPPED_VALUES = 1 << 21, 1 << 20, 1 << 23

# A map of so many values is copied: it takes no longer than a pass, and what is in memory cannot be cut off.
COPIED_VALUES = 1 << 19

# How much of a map the system is advised to read, in bytes: less is not worth a call; of more, Linux would read the beginning
# only.
MIN_ADVICE, MAX_ADVICE = 1 << 16, 1 << 20

# Small neighbouring row groups of a Parquet file are decoded together: up to such a part of a chunk.
PARQUET_RUN_PART = 8

# How much of a Parquet file is read at a time, for each column, in bytes.
PARQUET_BUFFER_BYTES = 1 << 16

# How much of a CSV file is read at a time, in bytes: where it is scanned, and no row may have more; and where it is read as a
# table.
CSV_BLOCK_BYTES, CSV_PIECE_BYTES = 1 << 22, 1 << 23

# How many values of a table are read at a time, nearly, of other files than plain CSV.
READ_VALUES = 1 << 20

# How many values are converted or checked at a time where numpy needs a copy of them.
CONVERTED_VALUES = 1 << 20

# Chunks of a frame of fewer rows are put together block by block, by their library: as arrays each costs as much as so many
# rows.
FEW_ROWS = 1000

# Costs: which way to the minimum takes least time.

# Measured on two cores of a Xeon (Emerald Rapids), from 1 to 1,000 features: the moments took as long as 2 to 33 passes over
# the rows, which 3 + k/40 meets within a factor of two. A pass took 2 to 13 us for 20 rows, and 0.27 to 0.6 ns a value for
# many; an answer from the moments 10 us, and 0.2 ns for each of theirs. In seconds.
MOMENTS_IN_PASSES, FEATURES_PER_PASS = 3.0, 40.0
PASS, PASS_PER_VALUE = 3e-6, 0.3e-9
ANSWER, ANSWER_PER_VALUE = 10e-6, 0.2e-9

# Moments of so many features take 32 MB, and their inverse a second.
MOST_FEATURES = 2000

# Of sparse rows a pass costs little beside a matrix of all products.
MOST_SPARSE_FEATURES = 500

# To decompose n rows of as many features or more takes n^2 n_features multiply-adds, and so many of them about a second; what
# comes of it has n n_features values, where sparse rows have few.
MOST_DECOMPOSED, MOST_DENSE = 2e9, 1 << 22

# Up to so many values a pass takes less than a millisecond, and is repeated for a last digit.
CHEAP_VALUES = 1 << 20

# So few values a result keeps a copy of, from which its statistics are computed in twice the precision when they are asked for.
KEPT_VALUES = 1 << 14
