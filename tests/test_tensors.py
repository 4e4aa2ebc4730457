"""PyTorch's tensors, stored and loaded; for those who have it: it is too large to be installed for this."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from nbflow.store.disk import DiskStore
from nbflow.store.tensors import fill_tensor, tensor_on
from nbflow.testing import Notebook

if TYPE_CHECKING:
    from pathlib import Path

torch: Any = pytest.importorskip("torch", reason="needs PyTorch")

CASES = {
    "views share memory": (
        "a = torch.arange(12.).reshape(3, 4)\nb = a.t()\nc = a[1:, ::2]",
        "(b[0, 1].fill_(99), a[1, 0].item(), c.tolist(), b.is_contiguous(), c.storage_offset())[1:]",
    ),
    "numpy shares memory": (
        "a = np.zeros(3, dtype='f4')\nb = torch.from_numpy(a)",
        "(b.add_(2), a.tolist())[1:]",
    ),
    "gradients": (
        "m = torch.nn.Linear(2, 1)\nwith torch.no_grad():\n    m.weight.fill_(1.)\n    m.bias.fill_(0.)\n"
        "m(torch.ones(1, 2)).sum().backward()",
        "(m(torch.ones(1, 2)).sum().backward(), m.weight.grad.tolist())[1:]",
    ),
    "an optimizer goes on": (
        "m = torch.nn.Linear(2, 1)\nwith torch.no_grad():\n    m.weight.fill_(1.)\n    m.bias.fill_(0.)\n"
        "o = torch.optim.SGD(m.parameters(), lr=.1, momentum=.9)\n"
        "for _ in range(2):\n    o.zero_grad()\n    m(torch.ones(4, 2)).pow(2).mean().backward()\n"
        "    o.step()",
        "(o.zero_grad(), m(torch.ones(4, 2)).pow(2).mean().backward(), o.step(), m.weight.tolist())[3:]",
    ),
    "attributes": ("p = torch.nn.Parameter(torch.ones(2))\np.tag = 'x'", "(p.tag, type(p).__name__)"),
    "types": (
        "m = [torch.tensor([1, 2]), torch.ones(2, dtype=torch.bfloat16), torch.tensor(3.),"
        " torch.empty(0, 3)]",
        "[(each.dtype, each.tolist(), tuple(each.shape)) for each in m]",
    ),
    "what torch keeps itself": (
        "m = torch.eye(3).to_sparse()",
        "m.to_dense().tolist()",
    ),
}
IMPORTS = "import numpy as np\nimport torch"


def restarted(tmp_path: Path, body: str, asks: str) -> tuple[Notebook, str]:
    """A notebook that has made values, and looks at them in a new kernel; and the cell that made them."""
    notebook = Notebook(store=lambda names: DiskStore(tmp_path, namespace=names), clock=time.time)
    notebook.add(IMPORTS, plain=True)
    cell = notebook.add(body)
    notebook.run_all()
    assert notebook.verdict(cell).value == "fresh"
    notebook.restart()
    notebook.add(f"found = {asks}", plain=True)
    notebook.run_all()
    return notebook, cell


@pytest.mark.parametrize(("body", "asks"), CASES.values(), ids=CASES)
def test_in_a_new_kernel(tmp_path: Path, body: str, asks: str) -> None:
    """What is restored is what was made: it computes the same, and shares the same memory."""
    plain: dict[str, Any] = {}
    exec(f"{IMPORTS}\n{body}\nfound = {asks}", plain)
    notebook, cell = restarted(tmp_path, body, asks)
    assert repr(notebook.names["found"]) == repr(plain["found"])
    assert notebook.log.count(cell) == 1


@pytest.mark.parametrize("loss", ["l", "l = l.item()"])
def test_a_training_cell(tmp_path: Path, loss: str) -> None:
    """What it has trained is there for a plain cell, whether or not its last loss can be stored."""
    notebook = Notebook(store=lambda names: DiskStore(tmp_path, namespace=names), clock=time.time)
    notebook.add("import torch", plain=True)
    notebook.add(
        "m = torch.nn.Linear(1, 1, bias=False)\ntorch.nn.init.ones_(m.weight)\n"
        "o = torch.optim.SGD(m.parameters(), lr=.1)"
    )
    notebook.add(f"l = m(torch.ones(1, 1)).sum()\nl.backward()\no.step()\n{loss}")
    notebook.run_all()
    notebook.restart()
    notebook.add("found = round(m.weight.item(), 6)", plain=True)
    notebook.run_all()
    assert notebook.names["found"] == 0.9


def test_the_end_of_a_computation(tmp_path: Path) -> None:
    """Gradients flow back from it: it is not stored, and made again with all that they flow to."""
    body = "w = torch.ones(2, requires_grad=True)\nloss = (w * 2).sum()"
    notebook, cell = restarted(tmp_path, body, "(loss.backward(), w.grad.tolist())[1]")
    assert notebook.names["found"] == [2.0, 2.0]
    assert notebook.log.count(cell) == 2


@pytest.mark.parametrize("is_parameter", [False, True])
def test_one_that_was_elsewhere(is_parameter: bool) -> None:
    """It is put where it was, of the kind that it was; its gradient follows."""
    made = tensor_on(torch.ones(2), "cpu", requires_grad=True, is_parameter=is_parameter)
    fill_tensor(made, {"grad": torch.zeros(2), "attributes": {"tag": "x"}})
    assert (made.requires_grad, isinstance(made, torch.nn.Parameter)) == (True, is_parameter)
    assert (made.grad.tolist(), made.tag) == ([0.0, 0.0], "x")
