import argparse
import shlex
from typing import Any

import pytest

from decamo.flags import Parser, add_settings
from decamo.recipes import RECIPES
from decamo.settings import TrainSettings
from decamo.settings.plain import SECTIONS, from_plain, to_plain
from tests.choices import chosen_settings

# The commands of the action plan, letter for letter.
HEAD = """train \
    --dataset-path /kaggle/input/cod10k-dataset/COD10K-v3 \
    --checkpoint-dir /kaggle/working/checkpoints \
    --resume-from /kaggle/working/checkpoints/best_model.pth \
    --skip-stage1 \
    --backbone edgenext_base \
    --num-experts 7 \
    --batch-size 2 \
    --stage2-batch-size 1 \
    --accumulation-steps 4 """
COMMANDS = {
    "conservative": HEAD
    + """\
    --img-size 384 \
    --epochs 120 \
    --stage1-epochs 30 \
    --lr 0.00025 \
    --stage2-lr 0.0002 \
    --scheduler cosine \
    --min-lr 0.00001 \
    --progressive-unfreeze \
    --deep-supervision \
    --num-workers 4""",
    "aggressive": HEAD
    + """\
    --img-size 384 \
    --epochs 150 \
    --stage1-epochs 30 \
    --lr 0.00025 \
    --stage2-lr 0.0003 \
    --scheduler cosine \
    --min-lr 0.00002 \
    --progressive-unfreeze \
    --deep-supervision \
    --num-workers 4""",
    "resolution": HEAD
    + """\
    --img-size 416 \
    --epochs 150 \
    --stage1-epochs 30 \
    --lr 0.00025 \
    --stage2-lr 0.0003 \
    --scheduler cosine \
    --min-lr 0.00002 \
    --warmup-epochs 3 \
    --progressive-unfreeze \
    --deep-supervision \
    --num-workers 4""",
}
PATHS = ("--dataset-path", "--checkpoint-dir", "--resume-from")


def parse(argv: list[str]) -> argparse.Namespace:
    parser = Parser(prog="decamo train")
    add_settings(parser)
    return parser.parse(argv)


def without_paths(command: str) -> list[str]:
    words = shlex.split(command)[1:]
    for flag in PATHS:
        place = words.index(flag)
        del words[place : place + 2]
    return words


@pytest.mark.parametrize("name", COMMANDS)
def test_recipe_is_the_command_of_the_action_plan(name: str) -> None:
    by_flags, _ = chosen_settings(parse(without_paths(COMMANDS[name])))
    by_recipe, _ = chosen_settings(parse(["--recipe", name]))

    assert by_recipe == by_flags
    assert from_plain(RECIPES[name]) == by_flags


@pytest.mark.parametrize("name", COMMANDS)
def test_recipe_says_what_the_command_says_and_no_more(name: str) -> None:
    # Otherwise it would overrule, at a resume, what the checkpoint's run had chosen.
    said = {k for values in RECIPES[name].values() for k in values}
    flags = {w[2:].replace("-", "_") for w in without_paths(COMMANDS[name]) if w.startswith("--")}

    assert said == flags


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_is_valid_and_names_no_path(name: str) -> None:
    settings = from_plain(RECIPES[name])
    default = TrainSettings()

    assert settings.data.dataset_path == default.data.dataset_path
    assert settings.run == default.run
    assert set(RECIPES[name]) <= set(SECTIONS)


def test_aggressive_differs_by_what_the_action_plan_lists() -> None:
    assert differing("conservative", "aggressive") == {"epochs", "stage2_lr", "min_lr"}
    assert differing("aggressive", "resolution") == {"img_size", "warmup_epochs"}


def differing(one: str, other: str) -> set[str]:
    a, b = (flat(to_plain(from_plain(RECIPES[name]))) for name in (one, other))
    return {key for key in a if a[key] != b[key]}


def flat(plain: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {name: value for values in plain.values() for name, value in values.items()}


def test_demo_needs_no_download() -> None:
    assert not from_plain(RECIPES["demo"]).model.pretrained
