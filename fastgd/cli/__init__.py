"""The command line."""

from fastgd.cli.parser import main

__all__ = ["main"]
