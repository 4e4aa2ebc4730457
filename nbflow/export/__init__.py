"""The flow of a notebook as a plain Python module: frozen cells in, text out; no I/O."""

from nbflow.export.cells import CellText
from nbflow.export.module import Exported, is_untouched, module_of

__all__ = ["CellText", "Exported", "is_untouched", "module_of"]
