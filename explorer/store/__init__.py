"""The Arrow store: immutable facts, one row a trial and one row an evaluation."""

from explorer.store.compaction import CompactionReport
from explorer.store.plans import Plan, plan_table
from explorer.store.store import Store

__all__ = ["CompactionReport", "Plan", "Store", "plan_table"]
