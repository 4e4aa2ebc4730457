"""PyTorch's tensors inside a payload: over the memory of their storage, which stays shared.

What torch pickles itself gives each tensor a storage of its own, and forgets its gradient.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

from nbflow.exceptions import StorageError

if TYPE_CHECKING:
    from collections.abc import Mapping


def reduce_tensor(tensor: Any) -> Any:
    """Return how to rebuild a tensor over the memory that it lies in, or leave it to torch.

    Raises:
        StorageError: If something of it would be lost.
    """
    torch: Any = sys.modules["torch"]
    if not tensor.is_leaf:
        raise StorageError("a tensor is the end of a computation that gradients flow back through")
    hooks = tensor._backward_hooks or getattr(tensor, "_post_accumulate_grad_hooks", None)
    if hooks or tensor.is_inference() or tensor.is_conj() or tensor.is_neg():
        raise StorageError("a tensor of this kind would come back as another one")
    is_plain = type(tensor) in (torch.Tensor, torch.nn.Parameter) and tensor.layout is torch.strided
    kind = bool(tensor.requires_grad), type(tensor) is torch.nn.Parameter
    attributes: dict[str, Any] = tensor.__dict__
    rest = {"grad": tensor.grad, "attributes": dict(attributes)}, None, None, fill_tensor
    if not is_plain or tensor.is_quantized:
        if tensor.grad is not None:
            raise StorageError("a tensor of this kind is stored without its gradient")
        return NotImplemented
    if tensor.device.type != "cpu":
        return tensor_on, (tensor.detach().cpu(), str(tensor.device), *kind), *rest
    storage = tensor.untyped_storage()
    memory = torch.empty(0, dtype=torch.uint8).set_(storage).numpy()
    dtype = str(tensor.dtype).removeprefix("torch.")
    place = tensor.storage_offset(), tuple(tensor.shape), tensor.stride()
    return tensor_at, (memory, dtype, place, *kind), *rest


def tensor_at(
    memory: Any,
    dtype: str,
    place: tuple[int, tuple[int, ...], tuple[int, ...]],
    requires_grad: bool,
    is_parameter: bool,
) -> Any:
    """Return the tensor at a place in memory: offset, shape and strides, in elements."""
    torch: Any = importlib.import_module("torch")
    storage = torch.from_numpy(memory).untyped_storage()
    return _of_kind(
        torch.empty(0, dtype=getattr(torch, dtype)).set_(storage, *place), requires_grad, is_parameter
    )


def tensor_on(tensor: Any, device: str, requires_grad: bool, is_parameter: bool) -> Any:
    """Return a tensor where it was, such as on a graphics card: it is stored through main memory."""
    return _of_kind(tensor.to(device), requires_grad, is_parameter)


def _of_kind(tensor: Any, requires_grad: bool, is_parameter: bool) -> Any:
    parameter: Any = importlib.import_module("torch.nn").Parameter
    return parameter(tensor, requires_grad) if is_parameter else tensor.requires_grad_(requires_grad)


def fill_tensor(tensor: Any, state: Mapping[str, Any]) -> None:
    """Give a rebuilt tensor its gradient, and what somebody has set on it."""
    tensor.grad = state["grad"]
    for name, value in state["attributes"].items():
        setattr(tensor, name, value)
