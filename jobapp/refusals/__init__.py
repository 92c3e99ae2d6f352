"""How providers say no: read what a refusal says, and the table that tells what it means. Pure."""
