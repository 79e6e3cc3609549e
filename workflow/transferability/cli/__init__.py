"""The subcommands of the command line, one file for each stage."""
