"""The rules of a call and the facade over them."""
