"""Where what was learnt about keys is kept."""
