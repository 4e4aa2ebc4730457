"""Explicit flows: graphs that are built first, and functions that call tasks as they run."""

from nbflow.flows.branches import case, ifelse, merge, switch
from nbflow.flows.function import FunctionFlow, flow
from nbflow.flows.graph import Flow
from nbflow.flows.parameters import Parameter

__all__ = ["Flow", "FunctionFlow", "Parameter", "case", "flow", "ifelse", "merge", "switch"]
