"""Measure a net, once or over its training, and keep the numbers with their uncertainty."""

from infoflow.flow.analyze import analyze
from infoflow.flow.cost_plan import Plan, plan
from infoflow.flow.result import FlowResult, load
from infoflow.flow.tracker import Tracker, paper_schedule

__all__ = ["FlowResult", "Plan", "Tracker", "analyze", "load", "paper_schedule", "plan"]
