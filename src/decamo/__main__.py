"""``python -m decamo COMMAND ...``, also under ``torchrun -m decamo``."""

import sys

from decamo.cli import main

if __name__ == "__main__":
    sys.exit(main())
