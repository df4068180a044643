"""The Tristan run directory and a job's control directory: paths, records, orders, cursor."""
