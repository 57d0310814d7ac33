"""The entry point that the action plan's readers type; the same as ``decamo train``.

``python train_ultimate.py train --dataset-path ...`` works from a clone without installing.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))

from decamo.cli import main

if __name__ == "__main__":
    sys.exit(main())
