"""What the text of a cell tells: names read, written and changed, definitions, paths, effects."""

from nbflow.analysis.effects import (
    asks_database,
    changes_outside,
    effect_of,
    is_native,
    starts_program,
    writes_natively,
    writes_outside,
)
from nbflow.analysis.reads import analyze
from nbflow.analysis.result import EVERYTHING, PARAMETERS, Analysis, Call, Definition, Import
from nbflow.analysis.seeding import may_set
from nbflow.analysis.source import definition_source, normalise

__all__ = [
    "EVERYTHING",
    "PARAMETERS",
    "Analysis",
    "Call",
    "Definition",
    "Import",
    "analyze",
    "asks_database",
    "changes_outside",
    "definition_source",
    "effect_of",
    "is_native",
    "may_set",
    "normalise",
    "starts_program",
    "writes_natively",
    "writes_outside",
]
