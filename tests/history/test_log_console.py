from decamo.history import log_of_text
from decamo.history.log_lines import baseline_of, setting_out

SET_OUT = (
    "branch: epoch 87 to 150, step 710 to 1349, LR 0.000300 -> 0.000020"
    " (--epochs 86 -> 150, --scheduler none (constant) -> cosine)"
)
BEFORE = "before epoch 87, on the held-out images: IoU 0.1669, Dice 0.2538, MAE 0.3082"


def test_how_a_run_set_out() -> None:
    stretch = setting_out(SET_OUT)
    assert stretch is not None
    assert (stretch.first_epoch, stretch.word, stretch.planned_end) == (87, "branch", 150)
    assert stretch.reason == "--epochs 86 -> 150, --scheduler none (constant) -> cosine"
    assert baseline_of(BEFORE) == 0.1669


def test_other_lines_are_not_taken_for_it() -> None:
    for line in (BEFORE, "branch: epoch 0 to 3, step 1 (x)", "branch: epoch 9 to 3, step 1 (x)"):
        assert setting_out(line) is None
    assert baseline_of(SET_OUT) is None
    assert baseline_of("before epoch 87, on the held-out images: IoU 1.9") is None


def test_a_log_of_two_runs_has_two_stretches_and_no_baseline_among_its_epochs() -> None:
    lines = [
        "start: epoch 1 to 86, step 0 to 709, LR 0.000010 -> 0.000050 (a new run)",
        "before epoch 1, on the held-out images: IoU 0.0100, Dice 0.0200, MAE 0.3082",
        *(f"Epoch {n}: Loss: 0.5 | IoU: 0.{n} | Dice: 0.5 | LR: 0.00005" for n in range(10, 91)),
        SET_OUT,
        BEFORE,
        "stage 2 (fine-tuning): epochs 87 to 150, 10 steps each at 32 px",
        "Epoch 87: Loss: 0.5 | IoU: 0.9 | Dice: 0.5 | LR: 0.0003",
        "best IoU 0.9000 at epoch 87: runs/latest/best_model.pth",
    ]
    past = log_of_text("\n".join(lines))
    assert [p.epoch for p in past.points] == list(range(10, 88))
    assert past.points[-1].iou == 0.9
    told = [(s.first_epoch, s.word, s.planned_end, s.baseline_iou) for s in past.stretches]
    assert told == [(1, "start", 86, 0.01), (87, "branch", 150, 0.1669)]
    assert any("left behind: epochs 88 to 90" in note for note in past.notes)
