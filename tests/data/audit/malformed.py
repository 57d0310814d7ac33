"""A data set of files that are cut, flipped, misnamed or merely unusual, and what each is."""

import io
import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

# What an audit must say of a file: its kind, and words that its detail holds
Said = tuple[str, str]
SIZE = (48, 64)


def photo(seed: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Coarse blocks with noise: no two seeds are alike to any measure."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (7, 8, 3), dtype=np.uint8))
    noise = rng.integers(0, 20, (*size, 3), dtype=np.uint8)
    return np.asarray(coarse.resize(size[::-1], Image.Resampling.NEAREST)) // 2 + 50 + noise


def outline(size: tuple[int, int] = SIZE) -> np.ndarray:
    mask = np.zeros(size, dtype=np.uint8)
    mask[size[0] // 4 : size[0] // 2, size[1] // 4 : size[1] // 2] = 255
    return mask


def encoded(pixels: np.ndarray | Image.Image, form: str, **options: object) -> bytes:
    picture = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    out = io.BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_header(width: int, height: int, bits: int, colour: int) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head)


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]


@dataclass
class Zoo:
    """Writes the files and remembers what is to be said of them, by file name."""

    root: Path
    expected: dict[str, list[Said]] = field(default_factory=dict)
    seed: int = 0

    def __post_init__(self) -> None:
        self.images.mkdir(parents=True)
        self.masks.mkdir()

    @property
    def images(self) -> Path:
        return self.root / "Train" / "Image"

    @property
    def masks(self) -> Path:
        return self.root / "Train" / "GT_Object"

    def fresh(self, size: tuple[int, int] = SIZE) -> np.ndarray:
        self.seed += 1
        return photo(self.seed, size)

    def image(self, name: str, data: bytes, *said: Said, mask: np.ndarray | None = None) -> None:
        """An image under test beside a good mask."""
        (self.images / name).write_bytes(data)
        drawn = outline() if mask is None else mask
        (self.masks / f"{Path(name).stem}.png").write_bytes(encoded(drawn, "PNG"))
        self.expected[f"Image/{name}"] = list(said)

    def mask(self, name: str, data: bytes, *said: Said) -> None:
        """A mask under test beside a good image."""
        (self.masks / name).write_bytes(data)
        (self.images / f"{Path(name).stem}.png").write_bytes(encoded(self.fresh(), "PNG"))
        self.expected[f"GT_Object/{name}"] = list(said)


def cut_files(zoo: Zoo) -> None:
    for kind, options in (("base", {}), ("progressive", {"progressive": True})):
        data = encoded(zoo.fresh(), "JPEG", quality=90, **options)
        for share in (0.05, 0.3, 0.5, 0.7, 0.9, 0.99):
            whole = encoded(zoo.fresh(), "JPEG", quality=90, **options)
            zoo.image(
                f"{kind}-{share}.jpg", whole[: int(share * len(whole))], ("truncated", "JPEG")
            )
        zoo.image(f"{kind}-no-mark.jpg", data[:-2], ("truncated", "end mark"))
        data = encoded(zoo.fresh(), "JPEG", **options)
        zoo.image(f"{kind}-half-mark.jpg", data[:-1], ("truncated", "end mark"))
    zoo.image("two-bytes.jpg", b"\xff\xd8", ("truncated", ""))
    for name, end in (("png-half", 0.5), ("png-late", 0.98)):
        data = encoded(zoo.fresh(), "PNG")
        zoo.image(f"{name}.png", data[: int(end * len(data))], ("truncated", "within a chunk"))
    zoo.image("png-no-iend.png", encoded(zoo.fresh(), "PNG")[:-12], ("truncated", "chunk"))
    zoo.image("bmp-cut.bmp", encoded(zoo.fresh(), "BMP")[:-500], ("truncated", "missing"))
    zoo.image("webp-cut.webp", encoded(zoo.fresh(), "WEBP")[:-100], ("truncated", "missing"))
    zoo.image("tiff-cut.tif", encoded(zoo.fresh(), "TIFF")[:300], ("unreadable", ""))
    zoo.mask("mask-cut.png", encoded(outline(), "PNG")[:-20], ("truncated", "chunk"))


def flipped_files(zoo: Zoo) -> None:
    size = len(encoded(photo(0), "PNG"))
    places = {"width": 18, "depth": 24, "idat-early": 60, "idat-mid": size // 2, "iend": -2}
    for name, at in places.items():
        data = encoded(zoo.fresh(), "PNG")
        zoo.image(f"flip-{name}.png", flipped(data, at % len(data)), ("damaged", "checksum"))
    length = encoded(zoo.fresh(), "PNG")
    zoo.image("flip-length.png", flipped(length, 33), ("truncated", "chunk"))
    sign = encoded(zoo.fresh(), "PNG")
    zoo.image("flip-signature.png", flipped(sign, 1), ("not-an-image", "no image"))
    start = encoded(zoo.fresh(), "JPEG")
    zoo.image("flip-start.jpg", flipped(start, 1), ("not-an-image", "no image"))
    bmp = bytearray(encoded(zoo.fresh(), "BMP"))
    bmp[2:6] = struct.pack("<I", len(bmp) - 77)
    zoo.image("bmp-size.bmp", bytes(bmp), ("damaged", "says"))


def other_content(zoo: Zoo) -> None:
    contents = {
        "html": (b"<!DOCTYPE html><html><body>404</body></html>", "a web page"),
        "text": (b"quota exceeded, try again tomorrow\n", "text"),
        "zip": (b"PK\x03\x04" + bytes(40), "a zip archive"),
        "pdf": (b"%PDF-1.7\n%\xe2\xe3", "a PDF"),
        "eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "PostScript"),
        "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS"),
        "zeros": (bytes(1000), "zero bytes"),
        "noise": (np.random.default_rng(0).bytes(1000), "no image"),
    }
    for name, (data, words) in contents.items():
        zoo.image(f"{name}.jpg", data, ("not-an-image", words))
    zoo.image("empty.jpg", b"", ("empty-file", "empty"))
    zoo.mask("empty-mask-file.png", b"", ("empty-file", "empty"))
    bomb = png_header(60000, 60000, 8, 2) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    zoo.image("bomb.png", bomb, ("too-many-pixels", "too many pixels"))
    zoo.image(
        "gif.png",
        encoded(zoo.fresh(), "GIF"),
        ("wrong-extension", "GIF"),
        ("unusual-mode", "palette"),
    )
    frames = [Image.fromarray(zoo.fresh()) for _ in range(3)]
    moving = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    zoo.image(
        "moving-gif.jpg", moving, ("several-frames", "3 pictures"), ("wrong-extension", "GIF"),
        ("unusual-mode", "palette"),
    )  # fmt: skip
    frames = [Image.fromarray(zoo.fresh()) for _ in range(2)]
    apng = encoded(frames[0], "PNG", save_all=True, append_images=frames[1:])
    zoo.image("moving.png", apng, ("several-frames", "2 pictures"))
    zoo.image("png-inside.jpg", encoded(zoo.fresh(), "PNG"), ("wrong-extension", "PNG"))
    zoo.image("tail.jpg", encoded(zoo.fresh(), "JPEG") + b"x" * 33, ("trailing-bytes", "33 bytes"))
    zoo.image("tail-png.png", encoded(zoo.fresh(), "PNG") + b"junk", ("trailing-bytes", "4 bytes"))


def unusual_modes(zoo: Zoo) -> None:
    for turn in range(2, 9):
        upright = outline((64, 48) if turn >= 5 else SIZE)
        data = encoded(zoo.fresh(), "JPEG", exif=exif(turn))
        said = ("exif-orientation", f"EXIF orientation {turn}")
        zoo.image(f"turned-{turn}.jpg", data, said, mask=upright)
    stored = encoded(zoo.fresh(), "JPEG", exif=exif(6))
    zoo.image("turned-6-mask-not.jpg", stored, ("exif-orientation", "EXIF orientation 6"))
    colours = Image.fromarray(zoo.fresh())
    cmyk = encoded(colours.convert("CMYK"), "JPEG")
    zoo.image("cmyk.jpg", cmyk, ("unusual-mode", "CMYK"))
    at = encoded(Image.fromarray(zoo.fresh()).convert("CMYK"), "JPEG")
    adobe = at.index(b"Adobe") + 11
    zoo.image("ycck.jpg", at[:adobe] + b"\x02" + at[adobe + 1 :], ("unusual-mode", "YCCK"))
    for mode, words in (
        ("P", "palette"), ("L", "grey"), ("LA", "grey with alpha"), ("RGBA", "RGB with alpha"),
        ("1", "one bit"),
    ):  # fmt: skip
        picture = Image.fromarray(zoo.fresh()).convert(mode)
        zoo.image(f"mode-{mode}.png", encoded(picture, "PNG"), ("unusual-mode", words))
    clear = encoded(Image.fromarray(zoo.fresh()).quantize(8), "PNG", transparency=0)
    zoo.image("mode-clear.png", clear, ("unusual-mode", "transparency"))
    wide = zoo.fresh()[..., 0].astype(np.uint16) * 257
    zoo.image("grey16.png", encoded(wide, "PNG"), ("unusual-mode", "16 bits"))
    rows = zoo.fresh().astype(">u2") * 257
    packed = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    rgb16 = png_header(64, 48, 16, 2) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    zoo.image("rgb16.png", rgb16, ("unusual-mode", "16 bits"))
    real = zoo.fresh()[..., 0].astype(np.float32) / 255
    zoo.image("float.tif", encoded(real, "TIFF"), ("unusual-mode", "float"))


def odd_masks(zoo: Zoo) -> None:
    plain = outline()
    nothing = np.zeros_like(plain)
    zoo.mask("m-empty.png", encoded(nothing, "PNG"), ("empty-mask", "no object"))
    zoo.mask("COD10K-NonCAM-5-Other-69-Other-1.png", encoded(nothing, "PNG"), ("noncam", "name"))
    zoo.mask("m-full.png", encoded(nothing + 255, "PNG"), ("full-mask", "100.0%"))
    grey = plain.copy()
    grey[0, :32] = 100
    zoo.mask("m-grey.png", encoded(grey, "PNG"), ("grey-mask", "1.04%"))
    zoo.mask("m-zero-one.png", encoded(plain // 255, "PNG"))
    alpha = np.dstack([nothing, nothing, nothing, plain])
    zoo.mask("m-alpha.png", encoded(alpha, "PNG"), ("unusual-mode", "RGB with alpha"))
    zoo.mask("m-rgb.png", encoded(np.dstack([plain] * 3), "PNG"), ("unusual-mode", "RGB"))
    indexed = Image.fromarray(plain).convert("P")
    zoo.mask("m-palette.png", encoded(indexed, "PNG"), ("unusual-mode", "palette"))
    wide = plain.astype(np.uint16) * 257
    zoo.mask("m-wide.png", encoded(wide, "PNG"), ("unusual-mode", "16 bits"))
    ringing = np.zeros(SIZE, dtype=np.uint8)
    ringing[13:29, 21:37] = 255
    blurred = encoded(ringing, "JPEG", quality=50)
    zoo.mask("m-lossy.jpg", blurred, ("lossy-mask", "JPEG"), ("grey-mask", "neither"))


def names_and_sizes(zoo: Zoo) -> None:
    zoo.image("twice.jpg", encoded(zoo.fresh(), "JPEG"))
    (zoo.images / "twice.png").write_bytes(encoded(zoo.fresh(), "PNG"))
    zoo.expected["Image/twice.png"] = [("same-name", "twice.jpg")]
    zoo.mask("double.png", encoded(outline(), "PNG"), ("same-name", "double.bmp"))
    (zoo.masks / "double.bmp").write_bytes(encoded(outline(), "BMP"))
    zoo.expected["GT_Object/double.bmp"] = []
    zoo.image("CASE.png", encoded(zoo.fresh(), "PNG"))
    zoo.image("case.png", encoded(zoo.fresh(), "PNG"), ("same-name-but-case", "CASE.png"))
    zoo.expected["GT_Object/case.png"] = [("same-name-but-case", "CASE.png")]
    zoo.image("misfit.png", encoded(zoo.fresh(), "PNG"), mask=outline((48, 63)))
    zoo.expected["GT_Object/misfit.png"] = [("size-mismatch", "48 x 63 px")]
    zoo.image("lying.png", encoded(zoo.fresh(), "PNG"), mask=outline((64, 48)))
    zoo.expected["GT_Object/lying.png"] = [("size-mismatch", "64 x 48 px")]
    dot = np.full((1, 1), 255, dtype=np.uint8)
    zoo.image("pixel.png", encoded(zoo.fresh((1, 1)), "PNG"), ("tiny", "1 x 1"), mask=dot)
    zoo.expected["GT_Object/pixel.png"] = [("tiny", "1 x 1"), ("full-mask", "100")]
    row = np.zeros((1, 64), dtype=np.uint8)
    row[:, 3:9] = 255
    zoo.image("row.png", encoded(zoo.fresh((1, 64)), "PNG"), ("tiny", "1 x 64"), mask=row)
    zoo.expected["GT_Object/row.png"] = [("tiny", "1 x 64")]
    (zoo.images / "alone.png").write_bytes(encoded(zoo.fresh(), "PNG"))
    zoo.expected["Image/alone.png"] = [("image-without-mask", "alone")]
    (zoo.masks / "lonely.png").write_bytes(encoded(outline(), "PNG"))
    zoo.expected["GT_Object/lonely.png"] = [("mask-without-image", "lonely")]
    (zoo.images / "Fox.png").write_bytes(encoded(zoo.fresh(), "PNG"))
    (zoo.masks / "fox.png").write_bytes(encoded(outline(), "PNG"))
    zoo.expected["Image/Fox.png"] = [("image-without-mask", "fox.png differs in case")]
    zoo.expected["GT_Object/fox.png"] = [("mask-without-image", "Fox.png differs in case")]


def strange_entries(zoo: Zoo) -> None:
    (zoo.images / "nowhere.jpg").symlink_to("missing.jpg")
    zoo.expected["Image/nowhere.jpg"] = [("dead-link", "missing.jpg")]
    (zoo.images / "ring.jpg").symlink_to("ring.jpg")
    zoo.expected["Image/ring.jpg"] = [("dead-link", "ring.jpg")]
    (zoo.images / "folder.jpg").mkdir()
    zoo.expected["Image/folder.jpg"] = [("folder-like-image", "folder")]
    os.mkfifo(zoo.images / "pipe.jpg")  # whoever opens it waits for ever
    zoo.expected["Image/pipe.jpg"] = [("other-file", "neither")]
    (zoo.images / "Thumbs.db").write_bytes(b"x")
    zoo.expected["Image/Thumbs.db"] = [("other-file", "extension")]
    (zoo.images / "._photo.jpg").write_bytes(b"x")
    zoo.expected["Image/._photo.jpg"] = [("other-file", "hidden")]
    zoo.image("e\u0301le\u0300ve-\U0001f98e.png", encoded(zoo.fresh(), "PNG"))  # decomposed accents
    zoo.image("two\nlines.png", encoded(zoo.fresh(), "PNG") + b"!", ("trailing-bytes", "1 bytes"))
    latin = os.fsdecode(b"caf\xe9.png")
    zoo.image(latin, encoded(zoo.fresh(), "PNG") + b"!", ("trailing-bytes", "1 bytes"))
    (zoo.root / "loose").mkdir()
    (zoo.root / "loose" / "photo.jpg").write_bytes(b"x")
    zoo.expected["Zoo/loose"] = [("outside", "1 image")]
    if os.geteuid() != 0:  # root may read anything
        zoo.image("forbidden.png", encoded(zoo.fresh(), "PNG"), ("unreadable", "Permission"))
        (zoo.images / "forbidden.png").chmod(0)


def twins(zoo: Zoo) -> None:
    test = zoo.root / "Test"
    (test / "Image").mkdir(parents=True)
    (test / "GT_Object").mkdir()
    shared, again, whole, mirror = (zoo.fresh() for _ in range(4))
    for folder, name, pixels, form, options in (
        (zoo.root / "Train", "leak-bytes.png", shared, "PNG", {}),
        (test, "leak-bytes.png", shared, "PNG", {}),
        (zoo.root / "Train", "leak-pixels.png", again, "PNG", {}),
        (test, "leak-pixels-too.bmp", again, "BMP", {}),
        (zoo.root / "Train", "leak-jpeg.png", whole, "PNG", {}),
        (test, "leak-jpeg-too.jpg", whole, "JPEG", {"quality": 60}),
        (zoo.root / "Train", "mirror.png", mirror, "PNG", {}),
        (zoo.root / "Train", "mirror-too.png", mirror[:, ::-1].copy(), "PNG", {}),
    ):
        (folder / "Image" / name).write_bytes(encoded(pixels, form, **options))
        stem = Path(name).stem
        (folder / "GT_Object" / f"{stem}.png").write_bytes(encoded(outline(), "PNG"))
        zoo.expected.setdefault(f"Image/{name}", [])
    zoo.expected["Image/leak-bytes.png"] = [("leak", "same bytes")]
    zoo.expected["Image/leak-pixels-too.bmp"] = [("leak", "same pixels")]
    zoo.expected["Image/leak-jpeg-too.jpg"] = [("leak", "near copy")]
    zoo.expected["Image/mirror-too.png"] = [("copy", "mirrored copy")]


GROUPS: tuple[Callable[[Zoo], None], ...] = (
    cut_files, flipped_files, other_content, unusual_modes, odd_masks, names_and_sizes,
    strange_entries, twins,
)  # fmt: skip


def write_zoo(root: Path) -> Zoo:
    """All of them in one data set, in the layout of COD10K-v3."""
    zoo = Zoo(root)
    for group in GROUPS:
        group(zoo)
    return zoo
