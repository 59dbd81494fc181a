"""Training sets in files that need not fit in memory: `scan_parquet` and `scan_csv`."""

from fastgd.scan.csv import scan_csv
from fastgd.scan.parquet import scan_parquet

__all__ = ["scan_csv", "scan_parquet"]
