"""The workspace sandbox: git, cache and artifacts of container jobs in bubblewrap (design R8)."""
