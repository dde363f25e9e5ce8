"""The slow half of penstock-lab: scenarios, methods, statistics, results (perf/LAB.md says how the parts fit together)."""
