"""Models on disk, written in one step."""
