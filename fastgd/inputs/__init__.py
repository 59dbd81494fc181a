"""What users pass in, checked and opened: arrays, data frames, sparse matrices, batches, files, dask collections."""
