import pytest

from decamo.data.halves import Half, half_of, is_only_half, is_unmistakable, numbered, words_of

TRAIN = [
    "train",
    "Train",
    "TRAIN",
    "training",
    "trn",
    "TRN",
    "tr",
    "TR-COD10K+CAMO",
    "DIS-TR",
    "DUTS-TR",
    "DUTS-TR-Image",
    "imagesTr",
    "labelsTr",
    "train2017",
    "TrainDataset",
    "TrainDataset_per_sq",
    "TrainValDataset",
    "trainval",
    "training_set",
    "trainset",
    "train_images",
    "COD_train",
    "Train_1",
    "TrainingDataset",
    "训练集",
]
TEST = [
    "test",
    "Test",
    "testing",
    "tst",
    "te",
    "TE-COD10K",
    "TE-CAMO",
    "DIS-TE1",
    "DIS-TE4",
    "DUTS-TE",
    "imagesTs",
    "test-dev",
    "test_dev2017",
    "TestDataset",
    "TestDataset_per_sq",
    "test_set",
    "testset",
    "testA",
    "eval",
    "unseen",
    "chameleon_TestingDataset",
    "COD10K_Test_CAM",
    "测试集",
]
VAL = [
    "val",
    "valid",
    "validation",
    "Valid",
    "dev",
    "vd",
    "DIS-VD",
    "val2017",
    "imagesVal",
    "ValDataset",
    "val_images",
    "验证集",
]
NOTHING = [
    "contest",
    "latest",
    "trainer",
    "attest",
    "strain",
    "training_runs",
    "test_results",
    "trail",
    "terrain",
    "restaurant",
    "valley",
    "device",
    "interval",
    "pretrained",
    "COD10K-v3",
    "CAMO-V.1.0-CVIU2019",
    "NC4K",
    "CHAMELEON",
    "Imgs",
    "GT_Object",
    "protest",
    "detrain",
    "testimony",
    "Set",
    "stain",
    "treetops",
]


@pytest.mark.parametrize(
    ("half", "names"),
    [(Half.TRAIN, TRAIN), (Half.TEST, TEST), (Half.VAL, VAL), (Half.ANY, NOTHING)],
)
def test_words_as_the_field_writes_them(half: Half, names: list[str]) -> None:
    assert {name: half_of(name) for name in names} == dict.fromkeys(names, half)


@pytest.mark.parametrize("name", ["train_test_split", "TrainTest", "train+test", "tr-te"])
def test_a_name_that_says_both_is_unclear(name: str) -> None:
    assert half_of(name) is Half.UNCLEAR


def test_a_name_may_be_a_half_and_nothing_else() -> None:
    plain = ["Train", "test2017", "TestDataset_per_sq", "training_set", "val", "测试集"]
    assert all(is_only_half(name) for name in plain)
    named = ["TR-COD10K+CAMO", "DIS-TE1", "COD10K-v3", "data", "chameleon_TestingDataset"]
    assert not any(is_only_half(name) for name in named)


def test_above_all_data_a_bare_word_is_no_half() -> None:
    assert all(map(is_unmistakable, ["TestDataset", "TestDataset_per_sq", "test_set", "trainset"]))
    bare = ["test", "train", "testing", "test_a_flat_set_of_pytest", "TE-CAMO", "datasets"]
    assert not any(map(is_unmistakable, bare))


def test_words_and_numbers() -> None:
    assert words_of("DIS-TE1") == ("dis", "te", "1")
    assert words_of("imagesTr") == ("images", "tr")
    assert [numbered(n) for n in ("fold_3", "part_A", "Split1", "partner", "fold")] == [
        "fold", "part", "split", "", "",
    ]  # fmt: skip
