"""Where the stages of the workspace run: in the sandbox, or in a helper container (design R8)."""
