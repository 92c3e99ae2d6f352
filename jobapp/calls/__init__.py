"""One call, whatever way it is made: the policy, the record, and the loops that perform it."""
