"""From raw output to the trace: raw log, masking, time stamps, limit."""
