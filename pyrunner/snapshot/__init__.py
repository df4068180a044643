"""The working copy: what git knows of it, and a commit of all that is in it, made without touching it."""
