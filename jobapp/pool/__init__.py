"""Which key: what blocks it, who reserved it, and which of the free ones a call takes. Pure."""
