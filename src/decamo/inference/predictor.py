"""A checkpoint or a network as what makes probability maps at native size."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import numpy.typing as npt
import torch

from decamo.geometry import Squash
from decamo.inference.tta import blended, decided, finer, seen_through, window_of
from decamo.inference.views import PreparedImage, Views
from decamo.nn import SegmentationNetwork
from decamo.nn.segmentation_network import TorchModule

__all__ = [
    "Predictor",
    "evaluating",
]


ONE_VIEW = Views()


class Predictor:
    """A network, the size it sees images at, and where it runs.

    Args:
        model: a segmenter; put into evaluation mode for each call and back after it.
        size: side of the square that images are resized to, in px.
        device: where the model lives.
        dtype: half-precision type for the forward pass under autocast, or None for float32.
        views: of each image, whose maps are averaged.
        decision: ``half``, or ``iou`` for maps moved by :func:`decamo.inference.tta.decided`.
    """

    def __init__(
        self,
        model: SegmentationNetwork,
        size: int,
        device: torch.device | str = "cpu",
        dtype: torch.dtype | None = None,
        views: Views = ONE_VIEW,
        decision: str = "half",
    ) -> None:
        self.model = model
        self.size = size
        self.device = torch.device(device)
        self.dtype = dtype
        self.views = views
        self.decision = decision

    def predict(self, images: Sequence[npt.NDArray[np.uint8]]) -> list[npt.NDArray[np.float32]]:
        """Probability that each pixel belongs to a camouflaged object.

        Args:
            images: RGB uint8 ``[H, W, 3]`` each, of any sizes.

        Returns:
            float32 ``[H, W]`` in [0, 1] for each image, at its own size.
        """
        seen = [self.prepare(image) for image in images]
        return [
            self.finish(logits, image.native)
            for logits, image in zip(self.look(seen), seen, strict=True)
        ]

    def for_threads(self, callers: int, cores: int) -> None:
        """None: on fewer threads torch takes other kernels, and maps differ in their last bits."""

    def enter_thread(self) -> None:
        """Compute with one core in this thread: a team of its own would spin beside the network's.

        OpenMP counts threads for each thread that asks, so that the network keeps its cores.
        """
        torch.set_num_threads(1)

    def prepare(self, image: npt.NDArray[np.uint8]) -> PreparedImage:
        """An image ``[H, W, 3]`` as the network takes it; may be called in any thread."""
        native = image.shape[0], image.shape[1]
        pixels = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)
        square = Squash(native, self.size).apply(pixels).numpy()
        return PreparedImage(square, native, image if self.views.closer else None)

    def look(self, images: Sequence[PreparedImage]) -> list[npt.NDArray[np.float32]]:
        """Logits float32 ``[s, s]`` of each image, as the network gives them."""
        logits = self._logits([one.square for one in images], self.views)
        if self.views.closer:
            logits = self._closer(images, logits)
        if self.decision == "iou":
            logits = decided(logits)
        return [one[0].numpy() for one in logits]

    @torch.inference_mode()
    def finish(
        self, logits: npt.NDArray[np.float32], native: tuple[int, int]
    ) -> npt.NDArray[np.float32]:
        """The map float32 ``[H, W]`` of logits ``[s, s]``; may be called in any thread."""
        # The field's way: logits are resized, then squeezed; see any COD method's test script.
        square = torch.from_numpy(logits)[None, None]
        return Squash(native, square.shape[-1]).undo(square).sigmoid_()[0, 0].numpy()

    def _closer(self, images: Sequence[PreparedImage], first: torch.Tensor) -> torch.Tensor:
        """Logits ``[B, 1, 2 S, 2 S]``, with a second look wherever one is closer."""
        windows = [window_of(one) for one in first]
        cuts = [
            self.prepare(window.cut(one.image)).square
            for window, one in zip(windows, images, strict=True)
            if window is not None and one.image is not None
        ]
        looks = iter(self._logits(cuts, Views(self.views.flips)) if cuts else ())
        return torch.stack(
            [
                finer(one) if window is None else blended(one, next(looks), window)
                for one, window in zip(first, windows, strict=True)
            ]
        )

    @torch.inference_mode()
    def _logits(self, squares: Sequence[npt.NDArray[np.uint8]], views: Views) -> torch.Tensor:
        """float32 logits ``[B, 1, S, S]`` on the CPU."""
        batch = torch.stack([torch.from_numpy(square) for square in squares])
        with evaluating(self.model), self._autocast():
            image = self.model.normalize(batch.to(self.device, non_blocking=True))
            return seen_through(views, self._see, image).cpu()

    def _see(self, image: torch.Tensor, scale: float) -> torch.Tensor:
        logits: torch.Tensor = self.model(image, scale=scale).logits
        return logits

    def _autocast(self) -> AbstractContextManager[None]:
        if self.dtype is None:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.dtype)


class evaluating:  # noqa: N801 - reads as a statement: `with evaluating(model):`
    """Evaluation mode within the block, the mode from before after it.

    Setting modes costs milliseconds for hundreds of modules, an image of a small network takes 20:
    where no module trains, none is set.
    """

    def __init__(self, model: TorchModule) -> None:
        self._model = model
        self._before = model.training
        self._trains = any(module.training for module in model.modules())

    def __enter__(self) -> None:
        if self._trains:
            self._model.eval()

    def __exit__(self, *_: object) -> None:
        if self._trains:
            self._model.train(self._before)
