"""How much a key may still be asked: what headers tell, rejections teach and the user allows. Pure."""
