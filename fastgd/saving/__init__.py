"""Models and moments on disk, written in one step."""
