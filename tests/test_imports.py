"""Libraries with a slow import are imported only where they are needed."""

import subprocess
import sys

import laboratory
import pytest
from project import ROOT

# A program, and the modules that it must not import.
PROGRAMS = {
    # The workflow does so each time it builds its graph.
    "reads a study": (
        """
from transferability.records import fingerprint
from transferability.study import config
config.complete({})
""",
        {"torch", "numpy", "pandas", "matplotlib", "snakemake"},
    ),
    "builds a graph": (
        """
from transferability import models
from transferability.records import fingerprint
models.info({"name": "torchvision", "model": "resnet18"}, 64)
models.info({"name": "caffenet", "stem": "paper"}, 227)
[fingerprint.training_fingerprint(name) for name in ("caffenet", "torchvision")]
""",
        {"torch", "torchvision", "numpy"},
    ),
    "looks for pretrained weights": (
        """
from transferability.models import weights
weights.declared("vit_b_16", "IMAGENET1K_V1")
""",
        {"torch"},
    ),
    # Making one of torch's optimizers would import its compiler.
    "optimizes": (
        f"""
import torch
from transferability.training import optim
p = torch.nn.Parameter(torch.ones(2, 2))
p.sum().backward()
for name in ("sgd", "adamw"):
    optim.Optimizer({{"p": p}}, {{**{laboratory.RECIPE!r}, "optimizer": name}}).step(0.1)
""",
        {"torch._dynamo"},
    ),
}


@pytest.mark.parametrize(("code", "absent"), PROGRAMS.values(), ids=PROGRAMS)
def test_unneeded_libraries_are_not_imported(code, absent):
    program = f"{code}\nimport sys\nprint(*{absent} & {{*sys.modules}})"
    command = [sys.executable, "-c", program]
    folder = ROOT / "workflow"
    found = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""
