"""What a run says of itself in plain values: the journal's line for it, and what came of it."""

from typing import Any

from decamo.settings import TrainSettings
from decamo.settings.plain import to_plain
from decamo.training.prepare import Prepared

__all__ = ["outcome_of", "run_line"]


def run_line(settings: TrainSettings, prepared: Prepared) -> dict[str, Any]:
    """The journal's line for a start or a resume.

    Where a race's winner sets out, the checkpoint's ledger has the branch already; for a reader of
    the journal it begins here.
    """
    word, reason = prepared.resumption.word, prepared.resumption.reason
    ledger, position = prepared.resumption.ledger, prepared.resumption.position
    if word == "continue" and ledger.last.at_step == position.step:
        word = "branch" if ledger.last.word == "branch" else word
        reason = ledger.last.reason or reason
    return {
        "word": word,
        "reason": reason,
        "settings": to_plain(settings),
        "ledger": ledger.to_plain(),
        "train_images": len(prepared.supply.train),
        "val_images": len(prepared.supply.val),
        "unreadable": {str(bad.path): bad.reason for bad in prepared.supply.bad},
        "orphans": [str(path) for path in prepared.supply.orphans],
        "device": str(prepared.trainer.runtime.device),
        "dtype": str(prepared.trainer.runtime.dtype or "torch.float32"),
    }


def outcome_of(prepared: Prepared, stopped: str) -> dict[str, Any]:
    """What came of a run, for ``--json``.

    Args:
        prepared: with the trainer after it has run.
        stopped: why before its end; empty for none.
    """
    state = prepared.trainer.state
    return {
        "word": prepared.resumption.word,
        "reason": prepared.resumption.reason,
        "epoch": state.position.epoch,
        "step": state.position.step,
        "stopped": stopped,
        "best_iou": state.best.iou,
        "best_epoch": state.best.epoch,
        "best_model": str(prepared.trainer.folder.best),
        "epochs": [record.to_plain() for record in state.history],
    }
