"""From a job's raw output to the trace that the coordinator gets (design R3, R6)."""
