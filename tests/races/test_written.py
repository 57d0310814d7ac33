from pathlib import Path

import pytest

from decamo.errors import SettingsError
from decamo.races.branch import CONTROL, TWIN, branches_of, only, standard_branches
from tests.races.build import start


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "branches.toml"
    path.write_text(text)
    return path


def test_options_are_read_flat_or_by_section(tmp_path: Path) -> None:
    text = """
        [branch.high]
        asks = "is 0.0004 enough?"
        stage2_lr = 0.0004
        deep_supervision = true
        [branch.fresh]
        before = "forget moments"
        schedule = { warmup_epochs = 1 }
    """
    high, fresh = branches_of(written(tmp_path, text))
    assert high.asks == "is 0.0004 enough?"
    assert high.changes == {
        "schedule": {"stage2_lr": 0.0004}, "optimise": {"deep_supervision": True},
    }  # fmt: skip
    assert (fresh.before, fresh.changes) == ("forget moments", {"schedule": {"warmup_epochs": 1}})
    assert fresh.asks == "forget moments, --warmup-epochs 1"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", r"it holds no \[branch.NAME\]"),
        ("x = 1\n[branch.a]\nlr = 1", "it holds x"),
        ("[branch.a]", "it changes nothing"),
        ("[branch]\na = 3", "got 3; give options"),
        ("[branch.control]\nlr = 1", "not control or twin"),
        ('[branch."../up"]\nlr = 1', "small letters"),
        ("[branch.a]\nstage2_rl = 1", "no such option as stage2_rl; did you mean stage2_lr"),
        ("[branch.race]\nlr = 1", "it names a folder"),
        ("[branch.epoch-0086]\nlr = 1", "it names a folder"),
        ("[branch.a]\nbackbone = 'x'", r"backbone is of \[model\]; leave it out"),
        ("[branch.a]\nval_fraction = 0.3", r"val_fraction is of \[data\]"),
        ("[branch.a.schedule]\nuse_ema = true", "no such option as use_ema"),
        ("[branch.a.else]\nlr = 1", "no such option as lr"),
        ("[branch.a]\nimg_size = 'big'", r"\[branch.a\] img_size: got 'big'; give a whole number"),
        ("[branch.a]\nbefore = 'pray'", "got 'pray'; choose from 'forget moments', 'average'"),
    ],
)
def test_a_mistake_is_told_in_a_line(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told) as error:
        branches_of(written(tmp_path, text))
    assert len(str(error.value).splitlines()) == 1


def test_only_some_beside_control_and_twin_in_their_own_order() -> None:
    standard = standard_branches(start())
    taken = only(standard, ["moments", "rate-x3"])
    assert [b.name for b in taken] == [CONTROL, TWIN, "rate-x3", "moments"]
    with pytest.raises(SettingsError, match=r"--only: got 'rate-x4'; did you mean rate-x3"):
        only(standard, ["rate-x4"])
