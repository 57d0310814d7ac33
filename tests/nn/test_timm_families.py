"""One family of timm alone, in a fresh interpreter, and all of it for whoever asks later."""

import subprocess
import sys

import pytest

_ALONE = """
import sys
from decamo.nn import create_backbone
create_backbone("test_efficientnet", pretrained=False)
unasked = {"torch._dynamo", "timm.models.resnet", "torchvision.ops.boxes", "wandb.sdk"}
run = unasked & set(sys.modules)
assert not run, run
assert "timm.models.efficientnet" in sys.modules
"""

_ASKED_LATER = {
    "timm": "import timm; assert len(timm.list_models()) > 1000; timm.create_model('resnet18')",
    "a module of timm": "from timm.models.resnet import ResNet; import timm.models as m;"
    " assert m.ResNet is ResNet",
    "torchvision": "import torchvision; assert torchvision.__version__; torchvision.io",
    "a function of its": "from torchvision.ops import roi_align; assert callable(roi_align)",
    "a function called like its module": "import torchvision.ops.roi_align, torchvision;"
    " assert callable(torchvision.ops.roi_align)",
    "an operator in C": "import torch; from torchvision.ops.boxes import nms;"
    " b = torch.tensor([[0, 0, 1, 1.0]] * 2); assert len(nms(b, torch.tensor([1, 0.5]), 0.5)) == 1",
    "its newer transforms": "import torchvision.transforms.v2 as v2; v2.Resize(8)",
    "one class of both": "from torchvision.ops import FrozenBatchNorm2d as f;"
    " import timm.layers.norm_act as n; assert n.FrozenBatchNorm2d is f",
    "a star": "from torchvision.models import *; assert resnet18",
    "another family": "from decamo.nn import create_backbone;"
    " create_backbone('resnet18', pretrained=False)",
    "a name that is none": "from decamo.errors import UnknownBackbone\n"
    "try: create_backbone('resnet_18', pretrained=False)\nexcept UnknownBackbone as e: "
    "assert 'did you mean' in str(e)",
}


def python(code: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr


def test_a_backbone_brings_its_own_family_alone() -> None:
    python(_ALONE)


@pytest.mark.long
@pytest.mark.parametrize("asked", _ASKED_LATER)
def test_whoever_asks_later_finds_all(asked: str) -> None:
    python(_ALONE + _ASKED_LATER[asked])


def test_a_module_that_comes_with_its_package_is_run_once() -> None:
    """It registers its networks, and refuses to do so again."""
    python(_ALONE + "from torchvision.models.resnet import ResNet; import torchvision.models as m\n"
           "assert m.ResNet is ResNet is m.resnet.ResNet")  # fmt: skip
    once = "import torchvision.ops.boxes as b; assert 'SourceFile' in repr(b.__spec__.loader)"
    python(_ALONE + once)


def test_all_of_what_may_be_asked_in_one_process() -> None:
    python(_ALONE + "\n".join(_ASKED_LATER.values()))
