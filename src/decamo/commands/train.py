"""``decamo train``: start a run, or go on with one under the same or another schedule."""

import argparse
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import tomli_w

from decamo.errors import DataError, SettingsError
from decamo.flags import Parser, add_settings, chosen_settings, write_json
from decamo.history import EpochDone, Event, Interrupted, Journal, Listener, StepDone
from decamo.nn.fitting import named
from decamo.plan import review
from decamo.report.console import Console
from decamo.report.plan_picture import draw_plan
from decamo.report.preflight_text import preflight_text
from decamo.report.tensorboard import TensorBoard
from decamo.settings import TrainSettings
from decamo.settings.duration import seconds_of
from decamo.settings.plain import to_plain
from decamo.storage import RunFolder, check_space, file_bytes, run_bytes, write_whole
from decamo.training.budget import Budget
from decamo.training.preflight import rehearse
from decamo.training.prepare import Prepared, prepare
from decamo.training.runtime import Runtime, close_runtime, open_runtime
from decamo.training.stops import StopRequests, stop_requests
from decamo.training.supply import find_supply

__all__ = ["add_arguments", "run"]

_TRY_AGAIN = 75
_MOST_NAMED = 10  # files named one by one on the console


def add_arguments(parser: Parser) -> None:
    """Flags of ``decamo train``."""
    add_settings(parser)
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="rehearse each stage, a validation, a save and a load; tell time and memory; end",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the outcome here as well")


def run(args: argparse.Namespace) -> int:
    """Train; returns the exit code.

    0 at the end of the plan, 75 (EX_TEMPFAIL of sysexits.h: try again) when the budget is spent,
    128 + the number of the signal that stopped the run.
    """
    began = time.monotonic()
    settings, checkpoint = chosen_settings(args)
    if not settings.data.dataset_path:
        raise DataError("--dataset-path", "not given", "name the folder of a data set")
    if checkpoint is not None and _is_complete(settings, checkpoint):
        print(f"complete: {settings.run.resume_from} stands at the end of its plan")
        return 0
    folder = RunFolder(settings.run.checkpoint_dir)
    folder.open(settings.run.resume_from)
    runtime = open_runtime(settings.run.device, settings.run.precision)
    budget = _budget(settings, began)
    with closing_runtime(), stop_requests() as asked, Console(_out(runtime), time.monotonic) as con:
        with runtime.main_first():
            looking = con.progress("looking at the images")
            images = find_supply(settings.data, folder.census, looking, keep=runtime.is_main)
        prepared = prepare(
            settings,
            folder,
            runtime,
            images,
            checkpoint,
            stop=lambda: asked.why() or (budget.spent() if budget else ""),
            clock=time.monotonic,
        )
        _announce(con, settings, prepared, folder.journal)
        if args.dry_run:
            return _rehearse(settings, prepared, con, args.json)
        if runtime.is_main:
            _leave_traces(con, settings, folder, prepared)
        asked.patient = True
        stopped = _train(settings, folder, prepared, con, budget, asked)
        best = prepared.trainer.state.best
        con.say(f"best IoU {best.iou:.4f} at epoch {best.epoch}: {folder.best}")
        if stopped:
            con.say("to go on: the same command with --resume auto")
        write_json(args.json, _outcome(prepared, folder, stopped))
    if not stopped:
        return 0
    return 128 + asked.number if asked.number else _TRY_AGAIN


def _rehearse(settings: TrainSettings, prepared: Prepared, con: Console, json: Path | None) -> int:
    flight = rehearse(prepared.trainer)
    words = settings.run.budget
    con.say(preflight_text(flight, None if words is None else seconds_of("budget", words)))
    write_json(json, asdict(flight) | {"seconds": flight.seconds})
    return 0


def _is_complete(settings: TrainSettings, checkpoint: dict[str, Any]) -> bool:
    """Whether nothing is left of a run that is to go on by itself."""
    done: int = checkpoint["position"]["epoch"]
    return settings.run.resume == "auto" and done >= settings.schedule.last_epoch


def _budget(settings: TrainSettings, began: float) -> Budget | None:
    words = settings.run.budget
    if words is None:
        return None
    return Budget(words, seconds_of("budget", words), time.monotonic, began)


def _train(
    settings: TrainSettings,
    folder: RunFolder,
    prepared: Prepared,
    con: Console,
    budget: Budget | None,
    asked: StopRequests,
) -> str:
    """Run the trainer with its listeners; returns why it stopped before its end, if it did."""
    trainer = prepared.trainer
    listeners: list[Listener] = [con, budget] if budget else [con]
    last: Event | None = None
    moved = False
    with ExitStack() as stack:
        if trainer.runtime.is_main:
            journal = stack.enter_context(Journal(folder.journal))
            journal.write("run", _run_line(settings, prepared))
            board = stack.enter_context(
                closing(TensorBoard(folder.tensorboard, prepared.resumption.position.step))
            )
            listeners += [journal, board]
        for event in trainer.run():
            last = event
            for listener in listeners:
                listener.hear(event)
            moved = moved or isinstance(event, StepDone | EpochDone)
    if not isinstance(last, Interrupted):
        return ""
    if budget is not None and not moved and not asked.number:
        raise SettingsError(
            "--budget", f"got {budget.words}, over before the first step", "give more time"
        )
    return last.why


def _announce(con: Console, settings: TrainSettings, prepared: Prepared, journal: Path) -> None:
    """What a person wants to know before hours are spent."""
    images, trainer, resumption = prepared.supply, prepared.trainer, prepared.resumption
    for source in images.sources:
        con.say(source)
    left_out = [f"{bad.path}: {bad.reason}" for bad in images.bad]
    left_out += [f"{orphan}: no partner of that name" for orphan in images.orphans]
    for line in left_out[:_MOST_NAMED]:
        con.say(f"left out: {line}")
    if len(left_out) > _MOST_NAMED:
        con.say(f"left out: {len(left_out) - _MOST_NAMED} more; all are in {journal}")
    con.say(
        f"{len(images.train)} images train, {len(images.val)} are held out of them"
        f" for validation; left out: {images.dropped} without an object, {len(images.bad)}"
        " unreadable"
    )
    model = trainer.state.model
    parameters = sum(p.numel() for p in model.parameters())
    con.say(
        f"{settings.model.backbone} with {settings.model.num_experts} experts a level:"
        f" {parameters / 1e6:.2f} M parameters, on {trainer.runtime.device}"
        f" in {trainer.runtime.dtype or 'torch.float32'}"
    )
    plan = resumption.ledger.plan
    first, last = resumption.position.step, plan.end_step - 1
    con.say(
        f"{resumption.word}: epoch {resumption.position.epoch + 1} to {plan.last_epoch}, step"
        f" {first} to {last}, LR {plan.lr(first):.6f} -> {plan.lr(last):.6f}"
        f" ({resumption.reason})"
    )
    if without := trainer.state.without_moments:
        con.say(f"Adam begins anew, without moments in the checkpoint, for {named(without)}")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if cores and settings.data.num_workers > cores:
        con.say(f"warning: --num-workers {settings.data.num_workers} on {cores} cores; {cores} do")
    for warning in review(resumption.ledger):
        con.say(f"warning: {warning}")


def _leave_traces(
    con: Console, settings: TrainSettings, folder: RunFolder, prepared: Prepared
) -> None:
    """What the run folder holds from the first minute: settings, picture, the file resumed from."""
    model, run = prepared.trainer.state.model, settings.run
    size = file_bytes(
        sum(t.nbytes for t in model.state_dict().values()), average=settings.optimise.use_ema
    )
    every = settings.schedule.last_epoch // run.keep_every if run.keep_every else 0
    check_space(folder.root, run_bytes(folder.root, size, snapshots=run.keep_last + every))
    resume_from = settings.run.resume_from
    goes_on = settings.run.resume == "auto" and prepared.resumption.word == "continue"
    if resume_from is not None and not goes_on:
        copy = folder.protect(resume_from, prepared.resumption.position.epoch)
        if copy is not None:
            con.say(f"kept: {copy} is the checkpoint that this run goes on from")
    config = tomli_w.dumps(_without_none(to_plain(settings)))
    write_whole(folder.config, config.encode())
    draw_plan(folder.picture, prepared.resumption.ledger, prepared.resumption.position)


def _run_line(settings: TrainSettings, prepared: Prepared) -> dict[str, Any]:
    return {
        "word": prepared.resumption.word,
        "reason": prepared.resumption.reason,
        "settings": to_plain(settings),
        "ledger": prepared.resumption.ledger.to_plain(),
        "train_images": len(prepared.supply.train),
        "val_images": len(prepared.supply.val),
        "unreadable": {str(bad.path): bad.reason for bad in prepared.supply.bad},
        "orphans": [str(path) for path in prepared.supply.orphans],
        "device": str(prepared.trainer.runtime.device),
        "dtype": str(prepared.trainer.runtime.dtype or "torch.float32"),
    }


def _outcome(prepared: Prepared, folder: RunFolder, stopped: str) -> dict[str, Any]:
    state = prepared.trainer.state
    return {
        "word": prepared.resumption.word,
        "reason": prepared.resumption.reason,
        "epoch": state.position.epoch,
        "step": state.position.step,
        "stopped": stopped,
        "best_iou": state.best.iou,
        "best_epoch": state.best.epoch,
        "best_model": str(folder.best),
        "epochs": [record.to_plain() for record in state.history],
    }


def _without_none(plain: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """TOML has no null: an option without a value is left out."""
    return {s: {k: v for k, v in values.items() if v is not None} for s, values in plain.items()}


def _out(runtime: Runtime) -> Any:
    """Only the first process talks."""
    return sys.stdout if runtime.is_main else _Silence()


class _Silence:
    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None: ...


@contextmanager
def closing_runtime() -> Iterator[None]:
    """Leave the other processes at the end, also after an error."""
    try:
        yield
    finally:
        close_runtime()
