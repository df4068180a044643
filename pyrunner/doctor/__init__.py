"""Looks at what a runner needs on this host and on the way to its coordinator, and says what to mend."""
