"""The connection to a container engine, and what is asked of it."""
