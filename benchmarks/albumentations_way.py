"""The field's reading pipeline, OpenCV and albumentations, for ``python -m benchmarks loader``.

Runs by itself, under any Python that has the two (decamo asks for neither): it is told a size and
pairs of files, and for each line on standard input answers with the seconds of CPU that one pass
over them took. The augmentations are those of :mod:`decamo.data.augment`, each as likely.
"""

import importlib
import sys
import time
from typing import Any

__all__ = ["main"]


def main(argv: list[str]) -> int:
    """``SIZE IMAGE MASK [IMAGE MASK ...]``; returns the exit code, 3 where a package is missing."""
    try:
        cv2, album = importlib.import_module("cv2"), importlib.import_module("albumentations")
    except ImportError as error:
        sys.stderr.write(f"{error}\n")
        return 3
    cv2.setNumThreads(1)
    change = _changes(cv2, album, int(argv[0]))
    pairs = list(zip(argv[1::2], argv[2::2], strict=True))
    for _ in sys.stdin:
        began = time.process_time()
        for image, mask in pairs:
            _sample(cv2, change, image, mask)
        print(time.process_time() - began, flush=True)
    return 0


def _changes(cv2: Any, album: Any, size: int) -> Any:
    crop = album.RandomResizedCrop((size, size), scale=(0.4, 1.0), ratio=(0.75, 4 / 3), p=0.7)
    return album.Compose(
        [
            crop,
            album.Resize(size, size),  # returns at once where the crop was made
            album.HorizontalFlip(p=0.5),
            album.Rotate(limit=15, border_mode=cv2.BORDER_REFLECT_101, p=0.3),
            album.ColorJitter(0.2, 0.2, 0.2, 0.03, p=0.8),
            album.GaussianBlur(blur_limit=0, sigma_limit=(0.3, 1.5), p=0.1),
            album.ToGray(p=0.05),
            album.Normalize(),
        ]
    )


def _sample(cv2: Any, change: Any, image: str, mask: str) -> Any:
    pixels = cv2.cvtColor(cv2.imread(image), cv2.COLOR_BGR2RGB)
    return change(image=pixels, mask=cv2.imread(mask, cv2.IMREAD_GRAYSCALE))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
