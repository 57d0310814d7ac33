"""What a checkpoint of the present format holds, field by field, and a check of it.

A seal says that a file is whole, not that its fields are what they should be. This does, so that
a wrong one is told in a line and never met as a ``KeyError`` deep in the trainer.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from decamo.errors import CheckpointForeign, SettingsError
from decamo.settings import ScheduleSettings
from decamo.settings.plain import from_plain, kinds

__all__ = ["validate_architecture", "validate_state"]

Check = Callable[[str, Any], None]

_LARGEST = 2**53  # any count beyond is no count
_LARGEST_BUILT = 8192  # px; twice 4K
_KINDS = ("start", "extend", "branch", "rollback", "split", "race")  # of a segment
_WIDEST = 4096  # channels; sixty times what the networks of today have


def validate_state(path: Path, state: Mapping[str, Any]) -> None:
    """Check that a state of the present format has every field, each of its type.

    Further fields at the top are passed over.

    Args:
        path: where it was read, for the error.
        state: tensors and plain values.

    Raises:
        CheckpointForeign: names the first field that is not as it should be.
    """
    _validate(path, _STATE, "", state)


def validate_architecture(path: Path, architecture: Any) -> None:
    """Check what a file says of its network, as :func:`validate_state` does."""
    _validate(path, _architecture, "architecture", architecture)


def _validate(path: Path, check: Check, field: str, value: Any) -> None:
    try:
        check(field, value)
    except _WrongFieldError as error:
        raise CheckpointForeign(
            path,
            f"its field {error.field} should be {error.wanted}",
            "use a checkpoint that decamo wrote; if one did, update decamo",
        ) from error


class _WrongFieldError(Exception):
    def __init__(self, field: str, wanted: str) -> None:
        super().__init__(field, wanted)
        self.field = field[:120] or "at the top"
        self.wanted = wanted


def _of_type(wanted: str, *types: type) -> Check:
    def check(field: str, value: Any) -> None:
        if type(value) not in types:  # a bool is an int to isinstance
            raise _WrongFieldError(field, wanted)

    return check


def _whole(least: int = 0, most: int = _LARGEST) -> Check:
    def check(field: str, value: Any) -> None:
        if type(value) is not int or not least <= value <= most:
            raise _WrongFieldError(field, f"a whole number from {least} to {most}")

    return check


def _optional(inner: Check) -> Check:
    def check(field: str, value: Any) -> None:
        if value is not None:
            inner(field, value)

    return check


def _list_of(inner: Check, least: int = 0) -> Check:
    def check(field: str, value: Any) -> None:
        if not isinstance(value, list | tuple) or len(value) < least:
            raise _WrongFieldError(field, f"a list of at least {least}" if least else "a list")
        for number, item in enumerate(value):
            inner(f"{field}[{number}]", item)

    return check


def _map_of(inner: Check) -> Check:
    def check(field: str, value: Any) -> None:
        if not isinstance(value, dict) or not all(type(key) is str for key in value):
            raise _WrongFieldError(field, "a dict by name")
        for name, item in value.items():
            inner(f"{field}.{name}", item)

    return check


def _fields(
    required: Mapping[str, Check],
    optional: Mapping[str, Check] | None = None,
    others: Check | None = None,
) -> Check:
    """A dict with these keys; other keys only where ``others`` says what they may hold."""
    known = {**required, **(optional or {})}

    def check(field: str, value: Any) -> None:
        if not isinstance(value, dict) or not all(type(key) is str for key in value):
            raise _WrongFieldError(field, "a dict by name")
        for name in required:
            if name not in value:
                raise _WrongFieldError(f"{field}.{name}".lstrip("."), "there")
        for name, item in value.items():
            one = known.get(name, others)
            if one is None:
                raise _WrongFieldError(f"{field}.{name}", "absent in this version")
            one(f"{field}.{name}".lstrip("."), item)

    return check


def _anything(field: str, value: Any) -> None:
    """Fields of later versions and of other rooms."""


def _dense(field: str, value: Any) -> None:
    if not isinstance(value, torch.Tensor):
        raise _WrongFieldError(field, "a tensor")


def _bytes(field: str, value: Any) -> None:
    if not isinstance(value, torch.Tensor) or value.dtype != torch.uint8 or value.ndim != 1:
        raise _WrongFieldError(field, "a generator's state")


def _moment(field: str, value: Any) -> None:
    if not isinstance(value, torch.Tensor):
        _number(field, value)


def _settings(field: str, value: Any) -> None:
    _map_of(_map_of(_leaf_or_list))(field, value)
    try:
        from_plain(value)
    except SettingsError as error:
        raise _WrongFieldError(f"{field} ({error.what})", f"valid, but {error.got}") from error
    _fields({"schedule": _fields({"img_size": _whole(1)}, others=_anything)}, others=_anything)(
        field, value
    )


def _schedule(field: str, value: Any) -> None:
    _map_of(_leaf_or_list)(field, value)
    known = kinds(ScheduleSettings)
    unknown = [name for name in value if name not in known]
    if unknown:
        raise _WrongFieldError(f"{field}.{unknown[0]}", "absent in this version")
    try:
        ScheduleSettings(**{name: known[name].convert(name, v) for name, v in value.items()})
    except SettingsError as error:
        raise _WrongFieldError(f"{field} ({error.what})", f"valid, but {error.got}") from error


def _zoom(field: str, value: Any) -> None:
    if type(value) not in (int, float) or not 1 <= value <= 4:
        raise _WrongFieldError(field, "a number from 1 to 4")


def _fovea(field: str, value: Any) -> None:
    if type(value) is not float or not 0.125 <= value < 1:
        raise _WrongFieldError(field, "a number from 0.125, below 1")


_number = _of_type("a number", int, float)
_text = _of_type("text", str)
_leaf = _of_type("a plain value", int, float, bool, str, type(None))
_numbers = _map_of(_number)


def _kind(field: str, value: Any) -> None:
    if type(value) is not str or value not in _KINDS:
        raise _WrongFieldError(field, f"one of {', '.join(_KINDS)}")


def _leaf_or_list(field: str, value: Any) -> None:
    (_list_of(_leaf) if isinstance(value, list) else _leaf)(field, value)


_SEGMENT = _fields(
    dict.fromkeys(("at_epoch", "at_step", "origin_epoch", "origin_step"), _whole())
    | {"word": _kind, "schedule": _schedule, "images": _whole(1)},
    {
        "world": _whole(1),
        "levels": _whole(1, 64),
        "opened": _list_of(_text),
        "reason": _text,
        "scale": _number,
        "pieces": _list_of(_whole(1), 3),
        "asked": _map_of(_map_of(_leaf_or_list)),
        "stage2_begin": _optional(_whole()),
    },
)

_RECORD = _fields(
    dict.fromkeys(("epoch", "stage", "step", "img_size"), _whole())
    | dict.fromkeys(("loss", "iou", "dice", "mae", "train_seconds", "val_seconds"), _number)
    | {"parts": _numbers, "lr": _numbers},
    dict.fromkeys(("val_images", "skipped"), _whole())
    | dict.fromkeys(("iou_sd", "object_share", "predicted_share", "sure_wrong"), _optional(_number))
    | dict.fromkeys(("usage", "routing_entropy", "routing_balance"), _list_of(_number))
    | {"gates": _list_of(_list_of(_number))},
    others=_anything,  # history passes over the keys of later versions
)

_COLUMNS = _fields(
    dict.fromkeys(("key", "image", "mask", "look"), _list_of(_text)) | {"side": _text},
    others=_anything,
)


def _images(field: str, value: Any) -> None:
    """Columns of one length."""
    _COLUMNS(field, value)
    for name in ("image", "mask", "look", "side"):
        if len(value[name]) != len(value["key"]):
            raise _WrongFieldError(f"{field}.{name}", "as long as the keys are many")
    if not set(value["side"]) <= set("tThH"):
        raise _WrongFieldError(f"{field}.side", "of the letters t, T, h and H")
    if not all(set(look) <= set("0123456789abcdef") for look in value["look"]):
        raise _WrongFieldError(f"{field}.look", "of hex digits")


_OWN_NETWORK = _fields(
    {
        "backbone": _text,
        "num_experts": _whole(1, 28),
        "width": _whole(1, _WIDEST),
        "input_mean": _list_of(_number, 3),
        "input_std": _list_of(_number, 3),
    },
    {
        "zoom": _zoom,
        "fovea": _fovea,
        "img_size": _whole(1, _LARGEST_BUILT),
        "experts": _list_of(_text, 1),
    },
    others=_leaf_or_list,
)

_FOREIGN_NETWORK = _fields(
    {"network": _text, "kind": _text},
    {
        **dict.fromkeys(("backbone", "backbone_prefix", "output", "config", "source"), _text),
        "input_mean": _list_of(_number, 3),
        "input_std": _list_of(_number, 3),
    },
    others=_leaf_or_list,
)


def _architecture(field: str, value: Any) -> None:
    """Of our own network, or of a foreign one, which says of what kind it is."""
    foreign = isinstance(value, dict) and "kind" in value
    (_FOREIGN_NETWORK if foreign else _OWN_NETWORK)(field, value)


_STATE = _fields(
    {
        "format": _whole(1),
        "architecture": _architecture,
        "settings": _settings,
        "model": _map_of(_dense),
        "ema": _optional(_fields({"weights": _map_of(_dense), "updates": _whole()})),
        "optimiser": _map_of(_map_of(_moment)),
        "scaler": _map_of(_number),
        "generators": _fields({"cpu": _bytes, "cuda": _list_of(_bytes)}),
        "ledger": _list_of(_SEGMENT, 1),
        "position": _fields({"epoch": _whole(), "step": _whole(), "micro": _whole()}),
        "sums": _fields(
            {"images": _whole(), "parts": _numbers, "seconds": _number},
            {"skipped": _whole(), "lr": _numbers},
        ),
        "history": _list_of(_RECORD),
        "best": _fields({"iou": _number, "epoch": _whole(), "images": _text}),
        "bad_steps": _whole(),
    },
    {"decamo": _text, "images": _optional(_images)},
    others=_anything,
)
