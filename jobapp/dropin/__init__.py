"""Keys below an unmodified SDK: an HTTP transport that sends each request with a key that is free."""
