"""The runner manager: polls, gives jobs to slots, starts supervisors, ships trace and state."""
