"""The settings that the clients write; importing it needs no node."""

REGISTERS = tuple(f"REGISTER_{letter}" for letter in "ABCDEF")
