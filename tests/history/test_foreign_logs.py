"""What other trainers print is read back as it was."""

import io
import math
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decamo.history import TrainingLog, log_of_text, read_training_log
from tests.history.foreign_logs import EPOCHS, FORMS, Written, run_of

JUNK = (
    "",
    "Loading weights from ./pretrained/net.pth",
    "UserWarning: lr_scheduler.step() was called before optimizer.step()",
    "=> saved checkpoint to runs/a/net_epoch_best.pth",
    "Total params: 25.1M  FLOPs: 18.3 G",
    "load 4040 images in 3.21 s",
    "-" * 40,
    "[Config: epoch: 999; lr: 0.5; batchsize: 36; decay_rate: 0.1; decay_epoch: 50]",
    "Namespace(batchsize=36, clip=0.5, decay_epoch=50, epoch=999, gpu_id='0', lr=0.5)",
    "Saving the best model, best IoU: 0.9999, best epoch: 999",
)


def same(past: TrainingLog, run: list[Written], fields: tuple[str, ...]) -> None:
    assert [p.epoch for p in past.points] == [w.epoch for w in run]
    for point, written in zip(past.points, run, strict=True):
        for name in fields:
            assert getattr(point, name) == pytest.approx(getattr(written, name), rel=1e-6), name


@pytest.mark.parametrize("name", FORMS)
def test_every_form_is_read_back(name: str) -> None:
    run, form = run_of(), FORMS[name]
    same(log_of_text("\n".join(form.lines(run))), run, form.fields)


@pytest.mark.parametrize("name", FORMS)
def test_every_form_is_read_back_from_powershells_files(name: str) -> None:
    run, form = run_of(1), FORMS[name]
    text = "\ufeff" + "\r\n".join(form.lines(run))
    same(read_training_log(["-"], io.BytesIO(text.encode("utf-16-le"))), run, form.fields)


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(sorted(FORMS)),
    seed=st.integers(0, 10_000),
    epochs=st.integers(6, 30),
    at=st.lists(st.tuples(st.integers(0, 10_000), st.sampled_from(JUNK)), max_size=12),
)
def test_lines_between_change_nothing(
    name: str, seed: int, epochs: int, at: list[tuple[int, str]]
) -> None:
    run, form = run_of(seed, epochs), FORMS[name]
    lines = list(form.lines(run))
    for place, junk in at:
        lines.insert(place % (len(lines) + 1), junk)
    same(log_of_text("\n".join(lines)), run, form.fields)


def test_a_headers_rate_is_that_of_no_epoch() -> None:
    past = log_of_text("\n".join(FORMS["header_rate"].lines(run_of())))
    assert {p.lr for p in past.points[: EPOCHS // 2]} == {None}
    assert max(p.lr or 0 for p in past.points) < 0.00025


def test_settings_name_the_planned_end_where_no_line_does() -> None:
    lines = list(FORMS["json_lines"].lines(run_of()))
    assert log_of_text("\n".join(lines)).stretches[0].planned_end == 300
    lines[0] = lines[0].replace("300", str(EPOCHS - 1))  # the log goes beyond it
    assert log_of_text("\n".join(lines)).stretches[0].planned_end is None
    assert (
        log_of_text("\n".join(FORMS["config_line"].lines(run_of()))).stretches[0]
        == (log_of_text("\n".join(list(FORMS["config_line"].lines(run_of()))[1:])).stretches[0])
    )


@pytest.mark.parametrize("name", ["three_counters", "numbered_rates", "listed_rates", "json_lines"])
def test_two_rates_are_two_groups(name: str) -> None:
    past = log_of_text("\n".join(FORMS[name].lines(run_of())))
    for point, written in zip(past.points, run_of(), strict=True):
        assert point.rates == pytest.approx({"head": written.lr, "backbone": written.lr / 10})
    assert any("two learning rates" in note for note in past.notes)


def test_what_stands_in_is_said() -> None:
    terms = log_of_text("\n".join(FORMS["terms_only"].lines(run_of())))
    assert "no total of the loss is written: seg stands in" in terms.notes
    columns = log_of_text("\n".join(FORMS["bare_columns"].lines(run_of())))
    assert any("3 for the learning rate, 4 for the loss" in note for note in columns.notes)


@pytest.mark.parametrize("name", ["config_line", "bars", "json_lines", "printed_dicts", "keras"])
def test_a_restart_in_the_middle_leaves_its_epochs_behind(name: str) -> None:
    first, second, form = run_of(3), run_of(4), FORMS[name]
    again = "\n".join(form.lines(second)).split("\n")
    begin = len(again) - 20 * (len(again) // EPOCHS)
    lines = ["\n".join(form.lines(first[:30])), *again[begin:]]
    past = log_of_text("\n".join(lines))
    same(past, [*first[:20], *second[20:]], form.fields)
    assert [s.first_epoch for s in past.stretches] == [1, 21]


@pytest.mark.parametrize("read", [log_of_text, lambda text: log_of_text(iter(text.split("\n")))])
def test_an_epoch_that_breaks_is_seen(read: Callable[[str], TrainingLog]) -> None:
    lines = list(FORMS["bars"].lines(run_of()))
    lines[-1] = lines[-1].replace(f"train_loss={run_of()[-1].loss:.4f}", "train_loss=nan")
    loss = read("\n".join(lines)).points[-1].loss
    assert loss is not None
    assert math.isnan(loss)
