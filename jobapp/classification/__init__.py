"""What a failed call means: evidence read from it, and a table of rules. Pure."""
