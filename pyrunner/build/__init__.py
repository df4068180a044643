"""The stages of a job: variables, sources, scripts, and the walk through them."""
