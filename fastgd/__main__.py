"""The command line, as ``python -m fastgd``."""

import sys

from fastgd.cli import main

sys.exit(main())
