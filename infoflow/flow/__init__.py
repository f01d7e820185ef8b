"""Measure a net, once or over its training, and keep the numbers with their uncertainty."""

from infoflow.flow.analyze import analyze
from infoflow.flow.cost_plan import MeasurementPlan, plan
from infoflow.flow.flow_result import FlowResult
from infoflow.flow.schedule import paper_schedule
from infoflow.flow.tracker import Tracker

__all__ = ["FlowResult", "MeasurementPlan", "Tracker", "analyze", "paper_schedule", "plan"]
