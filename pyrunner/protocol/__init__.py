"""What runner and coordinator say to each other: job payload, variables, states, runner info."""
