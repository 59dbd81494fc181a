"""What people hand over, checked and opened: arrays, frames, sparse matrices, streams, files, dask."""
