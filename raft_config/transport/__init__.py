"""Messages between nodes: signed HTTP."""
