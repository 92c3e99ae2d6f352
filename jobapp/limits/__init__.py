"""How much a key may still be asked: what headers tell, refusals teach and the user allows. Pure."""
