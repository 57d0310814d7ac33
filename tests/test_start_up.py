"""What a command loads, in its own process and in those it starts; counted, never timed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = {"torch", "torchvision", "timm", "tensorboard", "matplotlib", "scipy", "fsspec", "s3fs"}
PLAN = ("plan", "--images", "363", "--epochs", "120", "--num-experts", "7")


def loaded(*words: str) -> set[str]:
    """Packages that any process of a command imported, by the interpreter's own account."""
    done = subprocess.run(
        [sys.executable, "-m", "decamo.cli", *words],
        env=os.environ | {"PYTHONPATH": str(ROOT / "src"), "PYTHONPROFILEIMPORTTIME": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    assert done.returncode == 0, done.stderr.splitlines()[-1]
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}


def masks(scenes: Path) -> Path:
    return scenes / "Test" / "GT_Object"


def test_the_account_sees_what_is_loaded(tmp_path: Path) -> None:
    packages = loaded(*PLAN, "--png", str(tmp_path / "plan.png"))
    assert "matplotlib" in packages
    assert "torch" not in packages


@pytest.mark.parametrize(
    "words", [("--help",), ("plan", "--help"), PLAN, ("train", "--help"), ("adopt", "--help")]
)
def test_help_and_a_plan_load_nothing_of_others(words: tuple[str, ...]) -> None:
    assert not loaded(*words) & (HEAVY | {"numpy", "PIL", "rich"})


def test_help_of_a_race_loads_no_torch() -> None:
    assert not loaded("escape", "--help") & (HEAVY | {"ray"})


def test_a_plan_of_a_data_set_loads_no_torch(scenes: Path) -> None:
    assert not loaded("plan", "--dataset-path", str(scenes), "--epochs", "40") & HEAVY


def test_a_diagnosis_loads_no_torch(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_text("Epoch 106: Loss: 0.2330 | IoU: 0.6281 | LR: 0.000092\n")
    packages = loaded("diagnose", str(log))
    assert "numpy" in packages
    assert not packages & (HEAVY - {"scipy"} | {"PIL"})


def test_a_prediction_here_loads_no_ray(tmp_path: Path) -> None:
    code = "import decamo.api.predicting, decamo.api.evaluating, decamo.api.predict_once, sys"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; print(*sys.modules)"],
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert not {"ray", *HEAVY} & set(done.stdout.split())
    assert "decamo.api.remote_images" in done.stdout.split()


def test_an_audit_loads_no_torch_in_any_process(scenes: Path) -> None:
    packages = loaded("data", "audit", str(scenes), "--workers", "2")
    assert "PIL" in packages
    assert not packages & HEAVY


@pytest.mark.parametrize("workers", ["1", "2"])
def test_scoring_maps_loads_no_torch_in_any_process(scenes: Path, workers: str) -> None:
    maps = str(masks(scenes))
    packages = loaded("evaluate", "--predictions", maps, "--masks", maps, "--workers", workers)
    assert "numpy" in packages
    assert not packages & HEAVY


def test_the_account_sees_the_scoring_processes(scenes: Path) -> None:
    """They classify errors with scipy, which the process that reads the flags has no use for."""
    maps = str(masks(scenes))
    words = ("evaluate", "--predictions", maps, "--masks", maps, "--by", "contrast")
    packages = loaded(*words, "--images", str(scenes / "Test" / "Image"), "--workers", "2")
    assert "scipy" in packages
    assert "torch" not in packages
