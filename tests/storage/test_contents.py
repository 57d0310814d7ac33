from pathlib import Path

from decamo.storage.run_folder import contents


def test_files_have_roles_and_sizes(tmp_path: Path) -> None:
    names = (
        "zz.txt",
        "epoch-0090.pth",
        "best_model.epoch-0086.pth",
        "best_model.epoch-0086-2.pth",
        "journal.jsonl",
        "report.html",
        "last.pth",
        "best_model.previous.pth",
        "best_model.pth",
    )
    for name in names:
        (tmp_path / name).write_bytes(b"x" * len(name))
    (tmp_path / "tensorboard" / "deep").mkdir(parents=True)
    (tmp_path / "tensorboard" / "deep" / "events").write_bytes(b"12345")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")

    found = contents(tmp_path)

    assert [c.name for c in found] == [
        "best_model.pth",
        "best_model.previous.pth",
        "last.pth",
        "journal.jsonl",
        "report.html",
        "tensorboard",
        "best_model.epoch-0086-2.pth",
        "best_model.epoch-0086.pth",
        "epoch-0090.pth",
        "link",
        "zz.txt",
    ]
    sizes = {c.name: c.bytes for c in found}
    assert sizes["zz.txt"] == 6
    assert sizes["tensorboard"] == 5
    assert sizes["link"] == 0
    roles = {c.name: c.role for c in found}
    assert roles["epoch-0090.pth"] == "the checkpoint of epoch 90"
    assert roles["zz.txt"] == roles["link"] == ""
    assert all(roles[name] for name in names[1:])


def test_what_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert contents(tmp_path / "nowhere") == ()
    assert contents(tmp_path) == ()
