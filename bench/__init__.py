"""Measures pyrunner: overhead of a job, throughput, memory. ``make bench``."""
