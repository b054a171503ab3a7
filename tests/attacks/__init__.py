"""What a stranger, a user with few rights, or a node that has gone bad may try."""
