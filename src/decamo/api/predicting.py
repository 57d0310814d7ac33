"""Predictions of many images, written: maps, overlays, annotations, lines; resumed, shared."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from decamo.api.image_makers import image_maker
from decamo.api.image_work import MadeImage
from decamo.api.model import Model
from decamo.api.predict_request import PredictRequest
from decamo.data.images_rule import ImagesRule, rule_for_images
from decamo.data.inside import Notation
from decamo.data.waiting import NOBODY, Ear
from decamo.errors import UnreadableImage
from decamo.extras import missing_extras
from decamo.inference.annotating import PredictedAnnotations
from decamo.inference.inputs import Found, Item
from decamo.inference.model_digest import model_digest
from decamo.inference.prediction_log import MadeBy, PredictedLine, PredictionLog, stamp_of
from decamo.inference.video_result import VideoResult
from decamo.storage import make_folder
from decamo.storage.many_outputs import check_many_outputs
from decamo.storage.outputs import Read, Written

__all__ = ["PredictionJob"]


@dataclass
class PredictionJob:
    """Images and videos that are predicted and written, one after the other.

    Attributes:
        found: what was given, all shards' inputs.
        request: what is to be written.
        note: called with a line on how images are read.
        say: called with a line on each that is left out, and why.
        on_done: called with the line of each image; also of those that were done before.
        in_order: whether it is in the order of the images where nothing else asks for that.
        lines: how many were written now.
        before: how many an earlier run had done.
        bad: how many could not be read, frames of videos among them.
        videos: that are done, now or before.
    """

    found: Found
    request: PredictRequest
    note: Callable[[str], None] = lambda _: None
    say: Callable[[str], None] = lambda _: None
    on_done: Callable[[Item, PredictedLine], None] = lambda _item, _line: None
    ear: Ear = NOBODY
    in_order: bool = False
    lines: int = field(default=0, init=False)
    before: int = field(default=0, init=False)
    bad: int = field(default=0, init=False)
    videos: list[VideoResult] = field(default_factory=list, init=False)
    on_frame: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        request = self.request
        request.insist_on_kinds(self.found)
        self.items = request.shard.share(self.found.items)
        self._clips = request.shard.share(self.found.videos)
        self._annotations = request.write and PredictedAnnotations(
            request.out, request.write, request.instances, request.shard, request.resume
        )
        self._by_source = (
            {str(item.image): place for place, item in enumerate(self.items)}
            if request.resume else {}
        )  # fmt: skip
        self._clip_by_source = {str(clip.source): clip for clip in self._clips}
        self._done: dict[str, PredictedLine] = {}
        self._done_clips: dict[str, VideoResult] = {}

    def check(self, model: Path, report: Path | None = None) -> None:
        """Refuse outputs that would replace an input or each other, before anything is loaded.

        Args:
            model: the network's file.
            report: a further file that will be written.

        Raises:
            SettingsError: names output, input and remedy.
        """
        request, annotations = self.request, self._annotations
        further: list[Written] = []
        if annotations:
            todo = () if request.resume and request.write is Notation.COCO else self.items
            further += [Written("--write", path) for path in annotations.paths(todo)]
        further += [Written("--jsonl", request.jsonl)] if request.jsonl else []
        further += [Written("--json", report)] if report else []

        def writes() -> Iterator[Written]:
            yield Written("--out", request.out, folder=True)
            pictures = (path for item in self.items for path in self._pictures(item))
            yield from (Written("--out", path) for path in pictures)
            yield from (Written("--out", clip.output) for clip in self._clips)
            yield from further

        def reads() -> Iterator[Read]:
            yield Read("CHECKPOINT", model)
            yield from (Read("an image", item.image) for item in self.found.items)
            yield from (Read("a video", clip.source) for clip in self.found.videos)

        check_many_outputs(reads, writes)

    def run(self, network: Model) -> list[str]:
        """Predict all that is not done; returns what is to be said of annotations.

        Raises:
            SettingsError: an earlier run was another one, or there are no experts to draw.
            StorageError: a file cannot be written.
        """
        request = self.request
        make_folder(request.out)
        # By the images of all shards: how one is read must not depend on who reads it.
        images = (item.image for item in self.found.items)
        decided = rule_for_images(
            images, network.trained.rules, max_pixels=network.max_pixels, ear=self.ear
        )
        if decided.line:
            self.note(decided.line)
        with image_maker(network, request, self.items, decided, self.ear) as maker:
            options = self._made_by(network, decided, maker.precision)
            with PredictionLog(
                request.jsonl, options, resume=request.resume, is_done=self._is_done
            ) as log:
                todo = self._todo()
                if self._annotations:
                    self._annotations.paths(todo)
                ordered = self.in_order or bool(request.jsonl or self._annotations)
                with closing(maker.each(todo, ordered=ordered)) as made:
                    self._take_in(made, log)
                self._predict_videos(network, log)
        return self._annotations.finish() if self._annotations else []

    def _todo(self) -> Sequence[Item]:
        if not self._done:
            return self.items
        return [item for item in self.items if str(item.image) not in self._done]

    def _take_in(self, made: Iterator[MadeImage], log: PredictionLog) -> None:
        """Annotate and tell of each image, in their order with those that were done before."""
        for item in self.items:
            line = self._done.get(str(item.image))
            if line is None:
                self._take(next(made), log)
                continue
            if self._annotations:
                self._annotations.remember(item, line.figures.expected_iou)
            self.before += 1
            self.on_done(item, line)

    def _take(self, made: MadeImage, log: PredictionLog) -> None:
        item, figures = made.item, made.figures
        if figures is None:
            self.say(f"left out: {made.error}")
            self.bad += 1
            log.add({"source": str(item.image), "error": made.error})
            return
        if self._annotations:
            self._annotations.add(item, made.mask(), figures.expected_iou)
        line = PredictedLine(
            str(item.image), made.stamp, self._outputs(item), figures, made.seconds, made.experts
        )
        log.add(line.to_plain())
        self.lines += 1
        self.on_done(item, line)

    def _predict_videos(self, network: Model, log: PredictionLog) -> None:
        if not self._clips:
            return
        with missing_extras():
            # PyAV: decisions/0007
            from decamo.api.predicting_video import VideoWork

        request = self.request
        work = VideoWork(
            network.predictor, log, request.overlay, request.smooth, request.batch,
            self.say, self.on_frame,
        )  # fmt: skip
        for clip in self._clips:
            result = self._done_clips.get(str(clip.source))
            if result is None:
                try:
                    result = work.run(clip)
                except UnreadableImage as error:
                    self.say(f"left out: {error}")
                    self.bad += 1
                    log.add({"source": str(clip.source), "error": str(error)})
                    continue
                self.bad += result.broken
            else:
                self.before += 1
            self.videos.append(result)

    def _pictures(self, item: Item) -> Sequence[Path]:
        pictures = [item.map]
        if self.request.overlay:
            pictures.append(item.overlay)
        return [*pictures, item.sheet] if self.request.experts else pictures

    def _outputs(self, item: Item) -> tuple[str, ...]:
        paths = [*self._pictures(item)]
        if self._annotations and self.request.write is not Notation.COCO:
            paths.append(self._annotations.path(item))
        return tuple(map(str, paths))

    def _is_done(self, plain: Mapping[str, Any]) -> bool:
        """Whether an image's files are there, and the image is the one that they were made of."""
        if "frames" in plain:
            return self._is_done_video(plain)
        try:
            line = PredictedLine.from_plain(plain)
        except (KeyError, TypeError):
            return False
        place = self._by_source.get(line.source)
        item = None if place is None else self.items[place]
        if item is None or line.outputs != self._outputs(item):
            return False
        if line.stamp != stamp_of(item.image) or not all(Path(p).is_file() for p in line.outputs):
            return False
        self._done[line.source] = line
        return True

    def _is_done_video(self, plain: Mapping[str, Any]) -> bool:
        try:
            result = VideoResult(**plain)
        except TypeError:
            return False
        clip = self._clip_by_source.get(result.source)
        if clip is None or not result.holds_for(clip):
            return False
        self._done_clips[result.source] = result
        return True

    def _made_by(self, network: Model, decided: ImagesRule, precision: str) -> MadeBy:
        how = network.score_options() | {"precision": precision}
        options = {f"--{k.replace('_', '-')}": v for k, v in how.items() if k != "device"}
        options |= self.request.options() | {
            "the range of pixels": decided.rule.to_plain()["scale"]
        }
        options["--scales"] = list(options["--scales"])
        digest = model_digest(network.path, how["network"]) if self.request.jsonl else ""
        return MadeBy(digest, options)
