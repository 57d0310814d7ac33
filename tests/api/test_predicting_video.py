"""Videos by a network of arithmetic; real mp4s in and out."""

import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest

from decamo.api.predict_request import PredictRequest
from decamo.api.predicting import PredictionJob
from decamo.errors import DataError, MissingExtra, SettingsError, StorageError, UnreadableImage
from decamo.inference import video_reader, video_writer
from decamo.inference.inputs import VideoItem, camera_found, find_images
from decamo.inference.smoothing import Smoothing
from decamo.inference.video_reader import VideoReader
from decamo.inference.video_writer import VideoWriter
from tests.api.test_predicting import lines_of, model_at
from tests.clips import broken_at, frame_at, times_of, turned, write_clip


def run(folder: Path, *clips: Path, **how: Any) -> PredictionJob:
    model, _ = model_at(folder)
    request = PredictRequest(**{"out": folder / "out", "jsonl": folder / "l.jsonl"} | how)
    said: list[str] = []
    job = PredictionJob(find_images(clips, request.out), request, say=said.append)
    job.check(model.path)
    job.run(model)
    job.said = said  # type: ignore[attr-defined]
    return job


def test_ten_seconds_in_and_out(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 250)
    run(tmp_path, clip, batch=4)
    with av.open(str(clip)) as before, av.open(str(tmp_path / "out" / "clip.mp4")) as after:
        for container in (before, after):
            stream: Any = container.streams.video[0]
            assert (stream.frames, stream.average_rate) == (250, 25)
            assert (stream.width, stream.height) == (64, 48)
            assert float(stream.duration * stream.time_base) == 10
        for number, frame in enumerate(after.decode(video=0)):
            mask = frame.to_ndarray(format="rgb24")[..., 0] > 127
            truth = frame_at(number)[..., 0] > 127
            assert (mask & truth).sum() / (mask | truth).sum() > 0.9
    assert times_of(tmp_path / "out" / "clip.mp4") == times_of(clip)
    header, *frames, last = lines_of(tmp_path / "l.jsonl")
    assert header["options"]["--smooth"] == 0
    assert [line["frame"] for line in frames] == list(range(250))
    assert [line["time_s"] for line in frames] == pytest.approx(times_of(clip))
    assert all(line["box"] is not None and line["confidence"] > 0.5 for line in frames)
    assert (last["frames"], last["broken"], last["rate"]) == (250, 0, 25)


def test_times_of_a_variable_rate_are_kept(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 30, steps=(1, 3, 2))
    run(tmp_path, clip)
    assert times_of(tmp_path / "out" / "clip.mp4") == times_of(clip)


@pytest.mark.parametrize("name", ["clip.mkv", "clip.avi", "clip.mov"])
def test_other_containers_become_mp4(tmp_path: Path, name: str) -> None:
    clip = write_clip(tmp_path / name, 20, codec="mpeg4" if name.endswith("avi") else "libx264")
    run(tmp_path, clip, overlay=True)
    times = times_of(tmp_path / "out" / "clip.mp4")
    assert np.diff(times) == pytest.approx(np.diff(times_of(clip)), abs=1e-3)
    assert len(times) == 20


def test_a_turned_video_is_seen_and_written_upright(tmp_path: Path) -> None:
    clip = turned(write_clip(tmp_path / "clip.mp4", 3))
    model, _ = model_at(tmp_path)
    found: Any = model.predict(str(clip))
    first = next(found)
    wanted = np.rot90(frame_at(0), -1)
    assert first.image.shape == (64, 48, 3)
    assert np.abs(first.image.astype(int) - wanted)[..., 1].mean() < 20
    run(tmp_path, clip)
    with av.open(str(tmp_path / "out" / "clip.mp4")) as after:
        frame = next(after.decode(video=0))
        assert (frame.width, frame.height, frame.rotation) == (48, 64, 0)


def test_odd_sizes_are_kept(tmp_path: Path) -> None:
    run(tmp_path, write_clip(tmp_path / "clip.mp4", 3, size=(65, 49)))
    with av.open(str(tmp_path / "out" / "clip.mp4")) as after:
        assert (after.streams.video[0].width, after.streams.video[0].height) == (65, 49)


def test_a_broken_frame_is_a_line_with_its_number(tmp_path: Path) -> None:
    clip = broken_at(write_clip(tmp_path / "clip.mp4", 30), 10)
    job = run(tmp_path, clip)
    (line,) = [line for line in job.said if "is broken" in line]  # type: ignore[attr-defined]
    assert line.startswith(f"{clip}: frame ")
    assert "\n" not in line
    (video,) = job.videos
    assert (video.frames, video.broken, job.bad) == (29, 1, 1)
    assert len(times_of(tmp_path / "out" / "clip.mp4")) == 29


def test_what_is_no_video_is_a_line_and_others_go_on(tmp_path: Path) -> None:
    playlist = tmp_path / "list.mp4"
    playlist.write_text("#EXTM3U\n#EXTINF:1,\n/etc/hostname\n#EXT-X-ENDLIST\n")
    empty = tmp_path / "empty.mp4"
    empty.touch()
    job = run(tmp_path, playlist, empty, write_clip(tmp_path / "clip.mp4", 3))
    assert job.bad == 2
    assert all("left out: " in line for line in job.said)  # type: ignore[attr-defined]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["clip.mp4"]


def test_a_done_video_is_not_done_again_and_half_a_one_is(tmp_path: Path) -> None:
    clips = [write_clip(tmp_path / f"{n}.mp4", 5) for n in ("a", "b")]
    run(tmp_path, *clips)
    lines = (tmp_path / "l.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "l.jsonl").write_bytes(b"".join(lines[:-2]))  # as killed in the last but one frame
    before = (tmp_path / "out" / "a.mp4").stat().st_mtime_ns
    job = run(tmp_path, *clips, resume=True)
    assert job.before == 1
    assert (tmp_path / "out" / "a.mp4").stat().st_mtime_ns == before
    again = lines_of(tmp_path / "l.jsonl")
    assert [(x["source"], x.get("frame")) for x in again[1:]] == [
        (str(clip), frame) for clip in clips for frame in (0, 1, 2, 3, 4, None)
    ]


def test_an_interrupted_video_leaves_nothing(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 5)
    model, maker = model_at(tmp_path)
    request = PredictRequest(tmp_path / "out")
    job = PredictionJob(find_images([clip], request.out), request)

    def stop() -> None:
        if len(maker.batches) == 3:
            raise KeyboardInterrupt

    job.on_frame = stop
    with pytest.raises(KeyboardInterrupt):
        job.run(model)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_camera_ends_well_when_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = ("testsrc=size=64x48:rate=10", "lavfi")
    monkeypatch.setattr("decamo.inference.video_reader._camera_of", lambda *_: source)
    model, maker = model_at(tmp_path)
    request = PredictRequest(tmp_path / "out", overlay=True)
    found = camera_found(0, request.out)
    job = PredictionJob(found, request)

    def stop() -> None:
        if len(maker.batches) == 7:
            raise KeyboardInterrupt

    job.on_frame = stop
    job.run(model)
    assert len(times_of(tmp_path / "out" / "camera-0.mp4")) == 7


def test_a_missing_camera_is_a_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="camera:99: no such camera") as raised:
        VideoReader(camera_found(99, tmp_path).videos[0], print)
    assert "\n" not in str(raised.value)


def test_python_has_frames_one_by_one(tmp_path: Path) -> None:
    model, maker = model_at(tmp_path)
    found: Any = model.predict(write_clip(tmp_path / "clip.mp4", 9))
    assert maker.batches == []
    two = [next(found), next(found)]
    assert maker.batches == [1, 1]
    assert [(p.frame, p.time_s) for p in two] == [(0, 0.0), (1, 0.04)]
    assert [p.name for p in two[1].save(tmp_path / "maps")] == [
        "clip_000001.png", "clip_000001_overlay.png",
    ]  # fmt: skip
    assert sum(1 for _ in found) == 7


def test_without_pyav_the_install_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 1)
    for name in ("api.predicting_video", "inference.video_reader", "inference.video_writer"):
        monkeypatch.delitem(sys.modules, f"decamo.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtra, match=r"pip install 'decamo\[video\]'"):
        run(tmp_path, clip)


def test_flags_of_videos_and_of_images(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 1)
    with pytest.raises(SettingsError, match=r"--experts: .* is a video"):
        run(tmp_path, clip, experts=True)
    with pytest.raises(SettingsError, match="--smooth: no video was named"):
        run(tmp_path, tmp_path / "model.pth", smooth=0.5)
    with pytest.raises(SettingsError, match="--smooth: got -1"):
        run(tmp_path, clip, smooth=-1.0)


def test_smoothing_is_an_average_over_time() -> None:
    rng = np.random.default_rng(0)
    maps = [rng.random((2, 3), dtype=np.float32) for _ in range(6)]
    times = [0.0, 0.1, 0.2, 0.5, 0.6, 2.0]
    smoothing = Smoothing(0.3)
    weights = np.array([1.0])
    for number, (one, time_s) in enumerate(zip(maps, times, strict=True)):
        found = smoothing(one, time_s)
        if number:
            kept = np.exp(-(time_s - times[number - 1]) / 0.3)
            weights = np.append(weights * kept, 1 - kept)
        wanted = np.tensordot(weights, np.stack(maps[: number + 1]), 1)
        np.testing.assert_allclose(found, wanted, rtol=1e-5)
    assert Smoothing(0)(maps[0], 3.0) is maps[0]


def test_memory_is_constant_in_the_number_of_frames(tmp_path: Path) -> None:
    """What Python and NumPy allocate; another test asks the operating system."""
    peaks = []
    for frames in (5, 50, 500):  # the first one pays for imports and caches
        clip = write_clip(tmp_path / f"{frames}.mp4", frames)
        tracemalloc.start()
        run(tmp_path, clip, smooth=0.2, overlay=True)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < peaks[1] + 2**16


_RESIDENT = """
import sys
from pathlib import Path
from tests.api.test_predicting_video import run
clip = Path(sys.argv[1])
run(clip.parent, clip, out=clip.parent / clip.stem, jsonl=None)
(peak,) = [x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith("VmHWM")]
print(peak.split()[1])  # of this program alone: ru_maxrss begins with what the one before it had
"""


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux")
def test_resident_memory_is_constant_in_the_number_of_frames(tmp_path: Path) -> None:
    peaks = []
    for frames in (50, 500):
        clip = write_clip(tmp_path / f"{frames}.mp4", frames)
        words = [sys.executable, "-c", _RESIDENT, str(clip)]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=200)
        assert done.returncode == 0, done.stderr
        peaks.append(1024 * int(done.stdout))
    assert peaks[1] < peaks[0] + 450 * 64 * 48 * 3  # less than the further frames would take


class TestVideosThatBreak:
    def test_off_in_the_middle(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        said: list[str] = []
        item = VideoItem(write_clip(tmp_path / "a.mp4", 5), tmp_path / "out.mp4")
        with VideoReader(item, said.append) as reader:
            real = reader._container.demux

            class Breaking:
                def demux(self, stream: object) -> Iterator[Any]:
                    yield next(iter(real(stream)))
                    raise av.error.InvalidDataError(1, "Invalid data found")

            reader._container = Breaking()
            frames = list(reader)
            assert reader.broken == 1
        assert len(frames) < 5
        assert said == [f"{item.source}: it breaks off (Invalid data found)"]

    def test_frames_without_a_time_follow_at_the_rate(self, tmp_path: Path) -> None:
        item = VideoItem(write_clip(tmp_path / "a.mp4", 2), tmp_path / "out.mp4")
        with VideoReader(item, print) as reader:
            frame = SimpleNamespace(pts=None, time_base=None)
            assert reader._pts(frame, 50) * reader.time_base == 2  # seconds, at 25 a second

    def test_sound_alone_is_no_video(self, tmp_path: Path) -> None:
        path = tmp_path / "a.mp4"
        with av.open(str(path), "w") as container:
            stream: Any = container.add_stream("aac", rate=8000)
            samples = np.zeros((1, 1024), np.float32)
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            frame.sample_rate = 8000
            container.mux([*stream.encode(frame), *stream.encode(None)])
        with pytest.raises(UnreadableImage, match=r"a\.mp4: no pictures in it"):
            VideoReader(VideoItem(path, tmp_path / "out.mp4"), print)

    @pytest.mark.parametrize(
        ("platform", "name"),
        [
            ("linux", ("/dev/video1", "v4l2")),
            ("darwin", ("1", "avfoundation")),
            ("win32", ("video=Moth Cam", "dshow")),
        ],
    )
    def test_a_camera_has_another_name_on_each_system(
        self, monkeypatch: pytest.MonkeyPatch, platform: str, name: tuple[str, str]
    ) -> None:
        devices = [SimpleNamespace(name=one) for one in ("Frog Cam", "Moth Cam")]
        monkeypatch.setattr(sys, "platform", platform)
        monkeypatch.setattr(video_reader, "enumerate_input_devices", lambda _: devices)
        assert video_reader._camera_of(1) == name
        if platform == "win32":
            with pytest.raises(OSError, match="2 devices"):
                video_reader._camera_of(2)

    def test_an_encoder_that_is_missing_and_a_disk_that_is_full_are_told(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def writer() -> VideoWriter:
            return VideoWriter(tmp_path / "a.mp4", (64, 48), Fraction(25), Fraction(1, 12800))

        def write_onto_a_full_disk() -> None:
            with writer() as one:
                encode = one._stream.encode

                class Full:
                    def encode(self, frame: object) -> list[object]:
                        if frame is None:
                            raise av.error.OSError(28, "No space left on device")
                        return list(encode(frame))

                one._stream = Full()
                one.add(frame_at(0), 0, duration=512)

        with pytest.raises(StorageError, match="No space left"):
            write_onto_a_full_disk()
        monkeypatch.setattr(video_writer, "av", SimpleNamespace(open=lambda *_, **__: _NoEncoder()))
        with pytest.raises(StorageError, match=r"no encoder of H\.264 \(unknown codec\); install"):
            writer()
        assert [*tmp_path.iterdir()] == []


class _NoEncoder:
    """A container of a PyAV that was built without x264."""

    def __enter__(self) -> "_NoEncoder":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def add_stream(self, *_: object, **__: object) -> None:
        raise ValueError("unknown codec")
