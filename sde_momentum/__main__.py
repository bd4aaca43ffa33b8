"""`python -m sde_momentum` is the command line."""

import sys

from sde_momentum.cli import main

sys.exit(main())
