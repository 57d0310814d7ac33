from pathlib import Path

import pytest

from decamo.data.scenes import write_scenes


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set in folders, two of ten images without object."""
    root = tmp_path_factory.mktemp("scenes") / "Frogs"
    write_scenes(
        root, train=10, test=5, size=48, noncam_share=0.2, seed=3, on_progress=lambda *_: None
    )
    return root
