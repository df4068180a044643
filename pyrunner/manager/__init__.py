"""The runner manager: asks for jobs, gives them to slots, starts supervisors, ships traces and results."""
