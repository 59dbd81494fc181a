"""Print the README's table: the gradient beside plain numpy. Run it with ``python benchmarks/against_numpy.py``."""

from fastgd import timing

WIDE = [(10_000, 100), (1_000_000, 10), (100_000, 100), (10_000, 1_000)]
SIZES = {
    "C": [(10, 1), (100, 3), (1_000, 10), (10_000_000, 1), (5_000_000, 2), (3_333_333, 3), *WIDE],
    "F": WIDE,
}

if __name__ == "__main__":
    print("| rows | features | order | numpy | fastgd | numpy / fastgd | fastgd reads |")
    print("|---|---|---|---|---|---|---|")
    for order, sizes in SIZES.items():
        for c in timing.compare(sizes, order=order, seconds=4.0):
            print(
                f"| {c.n_samples:,} | {c.n_features:,} | {order} | {c.numpy_seconds * 1e6:,.1f} us "
                f"| {c.fastgd_seconds * 1e6:,.1f} us | {c.ratio:.2f} | {c.bandwidth / 1e9:.1f} GB/s |"
            )
    print(f"\n{timing.machine()}; float64; medians, interleaved in one run")
