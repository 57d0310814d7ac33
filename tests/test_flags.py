import json
import re
from argparse import Namespace
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import given, settings

import decamo
from decamo.errors import CheckpointMissing, SettingsError, StorageError
from decamo.flags import _WORDS_ELSEWHERE, Parser, _flags_of, add_settings, write_json
from decamo.recipes import RECIPES
from decamo.settings import TrainSettings, flag_of
from decamo.settings.plain import SECTIONS, section_of, to_plain
from decamo.storage import previous_of
from decamo.storage.formats import FORMAT
from decamo.storage.sealed import save_sealed
from tests.choices import chosen_settings
from tests.settings.strategies import train_settings
from tests.storage.format_1 import state_of_format_1


def parser() -> Parser:
    made = Parser(prog="decamo train", description="train a model")
    add_settings(made)
    return made


def parse(*argv: object) -> Namespace:
    return parser().parse([str(word) for word in argv])


def chosen(*argv: object) -> TrainSettings:
    return chosen_settings(parse(*argv))[0]


def value_of(settings: TrainSettings, name: str) -> Any:
    return getattr(getattr(settings, section_of(name)), name)


def refusal(call: Callable[[], object]) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        call()
    assert len(str(caught.value).splitlines()) == 1
    return caught.value


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A checkpoint of a run with settings of its own."""
    plain = to_plain(
        chosen(
            *("--epochs", 200, "--lr", 0.003, "--seed", 9, "--stage2-lr", 0.002),
            *("--checkpoint-dir", "elsewhere", "--reset-moments", "--batch-size", 5),
        )
    )
    (tmp_path / "run").mkdir()
    save_sealed(tmp_path / "run" / "last.pth", state_of_format_1() | {"settings": plain})
    return tmp_path / "run" / "last.pth"


def config(folder: Path, text: str) -> Path:
    (folder / "my.toml").write_text(text, encoding="utf-8")
    return folder / "my.toml"


class TestFlagsOfTheActionPlan:
    @pytest.mark.parametrize(
        ("words", "name", "value"),
        [
            (("--dataset-path", "a/COD10K-v3"), "dataset_path", (Path("a/COD10K-v3"),)),
            (("--checkpoint-dir", "runs/x"), "checkpoint_dir", Path("runs/x")),
            (("--skip-stage1",), "skip_stage1", True),
            (("--backbone", "mobilenetv2_100"), "backbone", "mobilenetv2_100"),
            (("--num-experts", 5), "num_experts", 5),
            (("--batch-size", 6), "batch_size", 6),
            (("--stage2-batch-size", 1), "stage2_batch_size", 1),
            (("--accumulation-steps", 8), "accumulation_steps", 8),
            (("--img-size", 416), "img_size", 416),
            (("--epochs", 150), "epochs", 150),
            (("--stage1-epochs", 20), "stage1_epochs", 20),
            (("--lr", "0.0003"), "lr", 0.0003),
            (("--stage2-lr", "3e-4"), "stage2_lr", 0.0003),
            (("--scheduler", "cosine_restart"), "scheduler", "cosine_restart"),
            (("--min-lr", "0.00002"), "min_lr", 0.00002),
            (("--warmup-epochs", 3), "warmup_epochs", 3),
            (("--t-mult", 1.5), "t_mult", 1.5),
            (("--progressive-unfreeze",), "progressive_unfreeze", True),
            (("--deep-supervision",), "deep_supervision", True),
            (("--num-workers", 0), "num_workers", 0),
        ],
    )
    def test_has_its_meaning(self, words: tuple[object, ...], name: str, value: Any) -> None:
        assert value_of(chosen(*words), name) == value
        assert value_of(TrainSettings(), name) != value, "the test would show nothing"

    def test_resume_from_hands_over_the_checkpoint(self, checkpoint: Path) -> None:
        settings, held = chosen_settings(parse("--resume-from", checkpoint))

        assert settings.run.resume_from == checkpoint
        assert held is not None
        assert held.format == FORMAT

    def test_a_damaged_one_gives_way_to_the_one_before_it_out_loud(
        self, checkpoint: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        previous = previous_of(checkpoint)
        checkpoint.rename(previous)
        checkpoint.write_bytes(previous.read_bytes()[:-1])

        settings, held = chosen_settings(parse("--resume-from", checkpoint))

        # What the run folder protects is then the file that was truly read.
        assert settings.run.resume_from == previous
        assert settings.run.checkpoint_dir == checkpoint.parent
        assert held is not None
        told = capsys.readouterr().err
        assert len(told.splitlines()) == 1
        assert f"warning: {checkpoint} cannot be used" in told
        assert f"{previous} is taken instead" in told


class TestFurtherFlags:
    @pytest.mark.parametrize(
        ("words", "name", "value"),
        [
            (("--use-ema",), "use_ema", True),
            (("--ema-decay", 0.99), "ema_decay", 0.99),
            (("--gradient-checkpointing",), "gradient_checkpointing", True),
            (("--precision", "bf16"), "precision", "bf16"),
            (("--device", "cuda:1"), "device", "cuda:1"),
            (("--seed", 3), "seed", 3),
            (("--multi-scale", 0.8, 1, 1.2), "multi_scale", (0.8, 1.0, 1.2)),
            (("--loss-weights", "bce=0", "side=1"), "loss_weights", ("bce=0", "side=1")),
            (("--weight-decay", 0.05), "weight_decay", 0.05),
            (("--clip-grad", 0), "clip_grad", 0.0),
            (("--no-pretrained",), "pretrained", False),
            (("--no-pretrained", "--pretrained"), "pretrained", True),
            (("--zoom", 1.5), "zoom", 1.5),
            (("--fovea", 0.5), "fovea", 0.5),
            (("--backbone-weights", "w.pth"), "backbone_weights", Path("w.pth")),
            (("--input-mean", 0.5, 0.5, 0.5), "input_mean", (0.5, 0.5, 0.5)),
            (("--input-std", 0.1, 0.2, 0.3), "input_std", (0.1, 0.2, 0.3)),
            (("--noncam", "negatives"), "noncam", "negatives"),
            (("--val-fraction", 0.2), "val_fraction", 0.2),
            (("--schedule-origin", "stage"), "schedule_origin", "stage"),
            (("--reset-moments",), "reset_moments", True),
            (("--stage1-scheduler", "none"), "stage1_scheduler", "none"),
            (("--stage3-epochs", 5), "stage3_epochs", 5),
            (("--stage3-lr", "1e-6"), "stage3_lr", 1e-6),
            (("--stage3-img-size", 512), "stage3_img_size", 512),
            (("--cycles", 2), "cycles", 2),
            (("--backbone-lr-ratio", 0.5), "backbone_lr_ratio", 0.5),
        ],
    )
    def test_has_its_meaning(self, words: tuple[object, ...], name: str, value: Any) -> None:
        assert value_of(chosen(*words), name) == value

    def test_every_option_is_a_flag(self) -> None:
        known = {s for action in parser()._actions for s in action.option_strings}

        assert {flag_of(f.name) for cls in SECTIONS.values() for f in fields(cls)} <= known

    def test_every_switch_can_be_turned_back(self) -> None:
        assert not chosen("--deep-supervision", "--no-deep-supervision").optimise.deep_supervision

    def test_data_sets_add_up_however_they_are_given(self) -> None:
        settings = chosen("--dataset-path", "a", "b", "--seed", 1, "--dataset-path", "c")

        assert settings.data.dataset_path == (Path("a"), Path("b"), Path("c"))

    def test_a_triple_given_again_replaces_the_first(self) -> None:
        settings = chosen("--input-mean", 0, 0, 0, "--input-mean", 0.5, 0.4, 0.3)

        assert settings.model.input_mean == (0.5, 0.4, 0.3)

    def test_parsing_twice_remembers_nothing(self) -> None:
        made = parser()
        made.parse(["--dataset-path", "a"])

        assert made.parse(["--dataset-path", "b"]).dataset_path == [Path("b")]

    def test_nothing_gives_the_defaults(self) -> None:
        assert chosen_settings(parse()) == (TrainSettings(), None)


class TestMistakes:
    @pytest.mark.parametrize(
        ("typed", "meant"),
        [
            ("--stage2_lr", "--stage2-lr"),
            ("--warmup-epoch", "--warmup-epochs"),
            ("--warmup-epoch=3", "--warmup-epochs"),
            ("--deep-supervison", "--deep-supervision"),
            ("--resume-form", "--resume-from"),
            ("--min_lr", "--min-lr"),
            ("--wd", "--weight-decay"),
            ("--output_dir", "--checkpoint-dir"),
            ("--model", "--network or --backbone"),
            ("--batch=8", "--batch-size"),
        ],
    )
    def test_unknown_flag_suggests_the_nearest(self, typed: str, meant: str) -> None:
        error = refusal(lambda: parse(typed))

        assert error.what == typed
        assert meant in error.remedy
        assert "did you mean" in error.remedy

    def test_unknown_flag_without_a_near_one_points_to_help(self) -> None:
        assert refusal(lambda: parse("--zzz")).remedy == "see decamo train --help"

    def test_each_word_of_other_programs_leads_to_flags_that_there_are(self) -> None:
        elsewhere = {"--out"}  # of predict, export, adopt: train calls it --checkpoint-dir
        assert set(_WORDS_ELSEWHERE) == elsewhere | set(_WORDS_ELSEWHERE) & set(_flags_of(parser()))

    def test_flags_are_never_abbreviated(self) -> None:
        # Else a flag that is added later could change what an old command means.
        assert refusal(lambda: parse("--epoch", 3)).what == "--epoch"

    def test_a_stray_word_is_named(self) -> None:
        assert refusal(lambda: parse("stray")).what == "stray"

    @pytest.mark.parametrize(
        ("words", "got"),
        [
            (("--epochs", "many"), "'many'"),
            (("--epochs", "1.5"), "'1.5'"),
            (("--lr", "fast"), "'fast'"),
            (("--scheduler", "linear"), "'linear'"),
            (("--input-mean", "0.5", "0.5"), "3"),
            (("--seed",), "expected one argument"),
            (("--dataset-path",), "at least one"),
            (("--recipe", "brave"), "'brave'"),
        ],
    )
    def test_wrong_value_names_its_flag(self, words: tuple[str, ...], got: str) -> None:
        error = refusal(lambda: parse(*words))

        assert error.what == words[0]
        assert got in error.got

    @pytest.mark.parametrize("value", ["nan", "inf", "-1", "0"])
    def test_impossible_rate_names_its_flag(self, value: str) -> None:
        assert refusal(lambda: chosen("--stage2-lr", value)).what == "--stage2-lr"

    def test_flags_of_verbs_are_suggested_too(self) -> None:
        outer = Parser(prog="decamo data")
        verb = outer.add_subparsers(dest="verb").add_parser("network")
        verb.add_argument("--img-size", type=int)

        assert "--img-size" in refusal(lambda: outer.parse(["network", "--imgsize", "3"])).remedy
        assert outer.parse(["network", "--img-size", "3"]).img_size == 3


class TestLayers:
    def test_each_source_wins_over_those_before_it(self, tmp_path: Path, checkpoint: Path) -> None:
        # default epochs 120, seed 0; checkpoint 200, 9; config 180, 8; recipe 150; flag 140
        toml = config(tmp_path, "[schedule]\nepochs = 180\nlr = 0.004\n[run]\nseed = 8\n")
        words: tuple[object, ...] = ()
        got = []
        for more in (
            (),
            ("--resume-from", checkpoint),
            ("--config", toml),
            ("--recipe", "aggressive"),
            ("--epochs", 140),
        ):
            words += more
            settings = chosen(*words)
            got.append((settings.schedule.epochs, settings.schedule.lr, settings.run.seed))

        assert got == [
            (120, 0.00025, 0),
            (200, 0.003, 9),
            (180, 0.004, 8),
            (150, 0.00025, 8),
            (140, 0.00025, 8),
        ]

    def test_a_recipe_names_a_network_to_begin_with_and_a_checkpoint_keeps_its_own(
        self, checkpoint: Path
    ) -> None:
        recipe = ("--recipe", "conservative")
        begun = chosen(*recipe)
        own = chosen("--resume-from", checkpoint)
        assert (begun.model.num_experts, own.model.num_experts) == (7, 1)

        here = ("--resume", "auto", "--checkpoint-dir")
        for words in (("--resume-from", checkpoint), (*here, checkpoint.parent)):
            gone_on = chosen(*words, *recipe)
            assert gone_on.model == own.model
            assert gone_on.schedule == begun.schedule
            assert chosen(*words, *recipe, "--num-experts", 5).model.num_experts == 5
        assert chosen(*here, checkpoint.parent / "new", *recipe).model == begun.model

    def test_checkpoint_gives_what_nobody_says(self, checkpoint: Path) -> None:
        settings = chosen("--resume-from", checkpoint)

        assert settings.schedule.batch_size == 5

    def test_run_goes_on_in_the_checkpoints_folder_unless_told(self, checkpoint: Path) -> None:
        assert chosen("--resume-from", checkpoint).run.checkpoint_dir == checkpoint.parent
        moved = chosen("--resume-from", checkpoint, "--checkpoint-dir", "x")
        assert moved.run.checkpoint_dir == Path("x")

    def test_moments_are_reset_once_not_at_every_resume(self, checkpoint: Path) -> None:
        assert not chosen("--resume-from", checkpoint).optimise.reset_moments

    def test_config_can_name_the_checkpoint(self, tmp_path: Path, checkpoint: Path) -> None:
        toml = config(tmp_path, tomli_w.dumps({"run": {"resume_from": str(checkpoint)}}))

        settings, held = chosen_settings(parse("--config", toml))

        assert held is not None
        assert (settings.run.resume_from, settings.run.seed) == (checkpoint, 9)

    def test_missing_checkpoint_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(CheckpointMissing):
            chosen("--resume-from", tmp_path / "none.pth")

    def test_sources_that_contradict_each_other_are_refused(self, tmp_path: Path) -> None:
        toml = config(tmp_path, "[schedule]\nmin_lr = 0.0002\n")

        assert refusal(lambda: chosen("--config", toml, "--stage2-lr", 0.0001)).what == "--min-lr"


class TestConfig:
    @settings(max_examples=50, deadline=None)
    @given(train_settings())
    def test_a_run_repeats_from_its_config(
        self, tmp_path_factory: pytest.TempPathFactory, wanted: TrainSettings
    ) -> None:
        plain = to_plain(wanted)
        del plain["run"]["resume_from"]  # that would need the checkpoint to be there
        plain = {s: {k: v for k, v in d.items() if v is not None} for s, d in plain.items()}
        toml = config(tmp_path_factory.mktemp("config"), tomli_w.dumps(plain))

        repeated = to_plain(chosen("--config", toml))

        assert repeated == to_plain(wanted) | {
            "run": to_plain(wanted)["run"] | {"resume_from": None}
        }

    def test_unknown_section_suggests_the_nearest(self, tmp_path: Path) -> None:
        toml = config(tmp_path, "[optimize]\nuse_ema = true\n")

        assert "did you mean optimise" in refusal(lambda: chosen("--config", toml)).remedy

    def test_unknown_key_suggests_the_nearest(self, tmp_path: Path) -> None:
        toml = config(tmp_path, "[schedule]\nstage2-lr = 0.1\n")

        error = refusal(lambda: chosen("--config", toml))
        assert error.what == "schedule.stage2-lr"
        assert "stage2_lr" in error.remedy

    def test_key_without_a_section_is_sent_home(self, tmp_path: Path) -> None:
        toml = config(tmp_path, "epochs = 3\n")

        assert "[schedule]" in refusal(lambda: chosen("--config", toml)).remedy

    @pytest.mark.parametrize(
        "text",
        [
            "[schedule\n",
            "epochs: 3\n",
            '{"schedule": {}}',
            "[schedule]\nepochs = " + "9" * 5000,
        ],
    )
    def test_what_is_not_toml_is_told(self, tmp_path: Path, text: str) -> None:
        toml = config(tmp_path, text)

        error = refusal(lambda: chosen("--config", toml))
        assert error.what == str(toml)
        assert "not TOML" in error.got

    @pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e400", '"x"', "[]", "true"])
    def test_what_toml_can_say_but_nobody_mean_is_refused(self, tmp_path: Path, value: str) -> None:
        for name in ("epochs", "lr"):
            toml = config(tmp_path, f"[schedule]\n{name} = {value}\n")
            assert refusal(lambda toml=toml: chosen("--config", toml)).what == flag_of(name)  # type: ignore[misc]

    def test_checkpoint_that_is_no_path_is_refused(self, tmp_path: Path) -> None:
        toml = config(tmp_path, "[run]\nresume_from = 5\n")

        assert refusal(lambda: chosen("--config", toml)).what == "--resume-from"

    @pytest.mark.parametrize("kind", ["missing", "folder", "latin-1"])
    def test_unreadable_file_is_told(self, tmp_path: Path, kind: str) -> None:
        path = tmp_path / "c.toml"
        if kind == "folder":
            path.mkdir()
        elif kind == "latin-1":
            path.write_bytes("[run]\ncheckpoint_dir = 'größe'\n".encode("latin-1"))

        assert refusal(lambda: chosen("--config", path)).what == str(path)


class TestHelp:
    @pytest.fixture
    def text(self, monkeypatch: pytest.MonkeyPatch) -> str:
        monkeypatch.setenv("COLUMNS", "400")
        return parser().format_help()

    @pytest.mark.parametrize(
        ("section", "name"), [(s, f.name) for s, cls in SECTIONS.items() for f in fields(cls)]
    )
    def test_every_option_has_help_unit_and_default(
        self, text: str, section: str, name: str
    ) -> None:
        field = next(f for f in fields(SECTIONS[section]) if f.name == name)
        option = field.metadata["option"]
        (line,) = re.findall(rf"^ +{flag_of(name)}[ ,].*(?:\n {{10,}}.*)*", text, re.MULTILINE)
        line = " ".join(line.split())

        assert option.help in line
        assert option.unit in line
        if field.default in (None, (), ""):
            assert line.count("default") == option.help.count("default")
        else:
            shown = re.search(r"default ([^)]*)\)$", line)
            assert shown is not None, line
            words = {"on": True, "off": False}
            kind: Any = type(field.default)
            value: Any = words[shown[1]] if kind is bool else kind(shown[1])
            if kind is tuple:
                value = tuple(
                    (str if name == "tracker" else float)(word) for word in shown[1].split()
                )
            assert value == field.default
        for choice in option.choices:
            assert choice in line

    def test_groups_are_the_sections(self, text: str) -> None:
        for section, cls in SECTIONS.items():
            summary = (cls.__doc__ or "").splitlines()[0].removesuffix(".")
            assert f"\n{section}: {summary}:\n" in text

    def test_recipes_are_named(self, text: str) -> None:
        assert all(name in text for name in RECIPES)

    def test_rates_are_not_written_in_powers_of_ten(self, text: str) -> None:
        assert "default 0.00001)" in text
        assert "1e-05" not in text


class TestWriteJson:
    def test_writes_what_json_can_read(self, tmp_path: Path) -> None:
        write_json(tmp_path / "r.json", {"path": Path("a"), "n": [1]})

        told = json.loads((tmp_path / "r.json").read_text())
        assert told == {"decamo": decamo.__version__, "path": "a", "n": [1]}

    def test_writes_nothing_unless_asked(self) -> None:
        write_json(None, {})

    def test_unwritable_place_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "a file").touch()
        with pytest.raises(StorageError):
            write_json(tmp_path / "a file" / "r.json", {})


def test_a_list_of_paths_may_follow_a_flag() -> None:
    parser = Parser("decamo evaluate")
    parser.add_argument("checkpoint", nargs="*")
    parser.add_argument("--device")
    known = parser.parse(["--device", "cpu", "a.pth", "b.pth"])
    assert (known.checkpoint, known.device) == (["a.pth", "b.pth"], "cpu")
    with pytest.raises(SettingsError, match="did you mean --device"):
        parser.parse(["a.pth", "--devise", "cpu"])
