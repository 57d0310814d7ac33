import json
from pathlib import Path
from typing import Any

import pytest

import decamo
from benchmarks.claims_page import claims_page, claims_table

PACKAGE = Path(decamo.__file__).parent
CLAIMS = PACKAGE / "diagnosis" / "claims.json"
PAGE = PACKAGE.parents[1] / "docs" / "claims.md"


def claim(word: str, low: float, high: float, **more: Any) -> dict[str, Any]:
    return {
        "name": "gain-x", "title": "option X", "arm": "x", "against": "control",
        "expected": [0.04, 0.07], "worst": False, "setting": "2 seeds", "difference": 0.02,
        "low": low, "high": high, "error": 0.01, "by_seed": [0.01, 0.03], "degrees": 2.0,
        "word": word, "seconds_ratio": 1.25, "memory_ratio": 1.5, **more,
    }  # fmt: skip


def ledger(*claims: dict[str, Any]) -> dict[str, Any]:
    return {
        "decamo": "0.1.0",
        "study": {
            "sets": [{"name": "CAMO", "images": 40}], "train_images": 20, "val_images": 20,
            "val_fingerprint": "abc", "longest_side": 576, "backbone": "net", "weights": "file.pth",
            "num_experts": 7, "img_size": 128, "next_size": 160, "batch_size": 4,
            "accumulation_steps": 1, "backbone_lr_ratio": 0.1, "seeds": 2, "base_epochs": 10,
            "base_lr": 0.001, "stall_epochs": 3, "stall_lr": 0.00001, "trial_epochs": 3,
            "warmup_epochs": 1, "device": "cpu", "note": "",
        },
        "stalled": [{"seed": 0, "iou": 0.3, "gained": 0.001},
                    {"seed": 1, "iou": 0.31, "gained": 0.02}],
        "definitions": {"holds": "it is there", "does not hold": "it is not"},
        "arms": [{"name": "x", "asks": "X", "before": "", "changes": {}, "iou": [0.3, 0.4],
                  "steps": 153, "seconds": 12.5, "memory_bytes": 2**20 * 148, "lost": ""}],
        "claims": list(claims),
    }  # fmt: skip


def test_a_claim_that_does_not_hold_is_said_not_to() -> None:
    page = claims_page(ledger(claim("does not hold", -0.01, 0.03)))
    row = next(line for line in page.splitlines() if line.startswith("| option X"))
    for cell in ("+0.04 to +0.07", "+0.0200", "-0.0100 to +0.0300", "+0.0100, +0.0300",
                 "**does not hold**", "x 1.25", "x 1.50"):  # fmt: skip
        assert f"| {cell} |" in row
    assert "Of 1 expectations of the action plan: *does not hold* 1." in page
    assert "none can be told from 0" in page
    assert "a smaller one" in claims_page(ledger(claim("does not hold", 0.01, 0.03)))
    assert "surely loses" in claims_page(ledger(claim("does not hold", -0.03, -0.01)))


def test_what_could_not_be_measured_says_why() -> None:
    gone = claim("", 0, 0)
    for key in ("low", "high", "difference", "by_seed", "word", "seconds_ratio", "memory_ratio"):
        del gone[key]
    page = claims_page(ledger(gone | {"lost": "seed 0, x: diverged"}))
    assert page.count("seed 0, x: diverged") == 2
    assert "seed 0, x: diverged" in claims_table(ledger(gone | {"lost": "seed 0, x: diverged"}))


def test_the_limits_of_the_measurement_are_told() -> None:
    page = claims_page(ledger(claim("holds", 0.05, 0.06)))
    assert "128 to 160 px, 1.25 times, where the plan's is 384 to 416, 1.08" in page
    assert (
        "from IoU 0.62; here it is 3 epochs, 153 steps in all, of net at 128 px, from IoU 0.3"
        in page
    )
    assert "1 of them gained more than 0.005" in page
    assert "CAMO (40 training images), their longest side 576 px; 20" in page
    noted = ledger()
    noted["study"]["note"] = "copies"
    assert "their longest side 576 px (copies); 20" in claims_page(noted)


def test_every_table_is_whole() -> None:
    flag = claim("a gain", 0.01, 0.03, expected=None, against="", seconds_ratio=None)
    page = claims_page(ledger(claim("holds", 0.05, 0.06), flag))
    tables = [block for block in page.split("\n\n") if block.startswith("|")]
    assert len(tables) == 4
    for table in tables:
        assert len({line.count("|") for line in table.splitlines()}) == 1


def test_the_page_is_the_one_of_the_packages_figures() -> None:
    if not PAGE.exists():
        pytest.skip("an installed package has no docs")
    text = CLAIMS.read_text(encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == claims_page(json.loads(text))
    for place in ("/work", "/tmp", "/home"):
        assert place not in text
