"""Writers of stage scripts for bash and sh."""
